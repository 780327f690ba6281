/* The f32 table of one instruction set: the plain kernels compiled for it, with those that are written as
 * vector code in their places. */
#include "tensor/kernels/vector_internal.h"

#include <math.h>

#define REAL       float
#define MATH(name) name##f
#define NAME(f)    plain_##f
#define EXP_MAP    FOR_ISA(tl_map_exp)
#include "plain_template.h"

#define TEXT_AGAIN(isa) #isa
#define TEXT(isa)       TEXT_AGAIN(isa)

const tl_kernels FOR_ISA(tl_kernels) = {
    .isa = TEXT(TL_ISA),
    .map = {PLAIN_MAPS(MAP_ENTRY)[TL_MAP_EXP] = FOR_ISA(tl_map_exp), [TL_MAP_TANH] = FOR_ISA(tl_map_tanh),
            [TL_MAP_SIGMOID] = FOR_ISA(tl_map_sigmoid)},
    PLAIN_ENTRIES,
    .gather = FOR_ISA(tl_gather),
    .add_rows = FOR_ISA(tl_add_rows),
    .add_up_rows = FOR_ISA(tl_add_up_rows),
    .packed_bytes = FOR_ISA(tl_packed_bytes),
    .pack = FOR_ISA(tl_pack),
    .product = FOR_ISA(tl_product),
    .outer = FOR_ISA(tl_outer),
};
