/* The plain tables: f64, which tensors of that type always use, and f32, which the others must agree with. */
#include "tensor/kernels/kernels_internal.h"

#include <math.h>
#include <string.h>

#define REAL       float
#define MATH(name) name##f
#define NAME(f)    f32_##f
#define TABLE      tl_kernels_reference_f32
#include "reference_template.h"
#undef REAL
#undef MATH
#undef NAME
#undef TABLE

#define REAL       double
#define MATH(name) name
#define NAME(f)    f64_##f
#define TABLE      tl_kernels_reference_f64
#include "reference_template.h"
