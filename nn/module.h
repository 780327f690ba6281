/* Modules: what layers have in common. Rests on autograd/ and initializer.h.
 *
 * A module is a small table of functions plus its parameters. A layer of one's own embeds tl_module as the
 * first member of its struct, allocates itself with tl_module_new, and goes into tl_sequential like any
 * other. In training, `forward` runs for several parts of a batch at once, so it must not write to the
 * module; `prepare` runs before, once for each batch.
 *
 * A layer around other layers keeps them as children: its own build builds them, which names them behind it
 * ("pair/dense", "pair/dense_1"), and it calls their functions from its own, prepare included; the rest, down
 * to freeing them, is done for it.
 *
 * Shapes of modules leave the batch out: a layer from sequences to vectors goes from [time, features] to
 * [units]. TL_ANY stands for a number of steps that may differ from batch to batch, Keras's None.
 */
#ifndef TL_NN_MODULE_H
#define TL_NN_MODULE_H

#include "../autograd/ops.h"
#include "../autograd/shards.h"
#include "initializer.h"

typedef struct tl_module tl_module;

enum { TL_ANY = -1 };

/* What a build knows: the type of the parameters and where their random numbers come from. */
typedef struct tl_builder {
    tl_dtype dtype;
    uint64_t seed, streams; /* streams used so far */
    tl_module *module;      /* the one that is being built */
} tl_builder;

/* What `prepare` knows: a tape for what depends on parameters alone, recorded once for a whole batch and
 * differentiated once, after the shards; how many rows the batch has, and how many positions (rows times
 * steps). */
typedef struct tl_step {
    tl_tape *tape;
    int64_t rows, positions;
} tl_step;

typedef struct tl_module_type {
    const char *name; /* "dense" */

    /* Makes the parameters for inputs of a shape and tells the shape of outputs, with an error a user
     * understands if the input does not suit. Called once. */
    tl_status (*build)(tl_module *module, tl_builder *builder, tl_shape input, tl_shape *output);

    /* Output for a batch of inputs, on the tape of x. */
    tl_var *(*forward)(const tl_module *module, tl_var *x);

    /* Before the shards of a batch. `table`, on step->tape, is the table whose rows the module's inputs are,
     * or NULL if they are not rows of a table; returned is the same for its outputs. NULL as a function:
     * outputs are no such rows. A failure leaves the error and sets *failed. */
    tl_var *(*prepare)(tl_module *module, const tl_step *step, tl_var *table, bool *failed);

    /* Forgets the states that the module carries from batch to batch. NULL as a function: there are none. */
    void (*reset_states)(tl_module *module);

    /* Gives up the final activation if it is this one, so that a loss can take it over; false if it is not.
     * NULL as a function: there is none. */
    bool (*take_activation)(tl_module *module, tl_activation activation);

    /* Frees what the module has besides parameters. */
    void (*free)(tl_module *module);

    bool takes_mask; /* knows what to do with a mask on its input; otherwise one is an error */
} tl_module_type;

struct tl_module {
    const tl_module_type *type;
    const char *kind;          /* the type's name unless the constructor says otherwise: "simple_rnn" */
    char *name;                /* "simple_rnn_1", set when it joins a model */
    tl_parameter **parameters; /* made in build, freed with the module */
    int parameter_count;
    tl_module **children; /* freed with the module */
    int child_count;
    tl_shape output;    /* known after build */
    bool built, joined; /* joined: belongs to a model */
};

/* A zeroed struct of `size` bytes that starts with a tl_module of that type; NULL with the error set when
 * out of memory. Freed by tl_module_free, or by the model it was handed to. */
TL_API void *tl_module_new(const tl_module_type *type, size_t size);
TL_API void tl_module_free(tl_module *module);

/* Makes `child` one of the module's, to be freed with it: at once if this fails, unless it fails because the
 * child belongs to a model or another module already. */
TL_API tl_status tl_module_adopt(tl_module *module, tl_module *child);

/* Builds a module, once. */
TL_API tl_status tl_module_build(tl_module *module, tl_builder *builder, tl_shape input);

/* Frees its parameters and its children's, as if it had never been built. */
TL_API void tl_module_unbuild(tl_module *module);

/* Output for a batch. */
TL_API tl_var *tl_module_forward(const tl_module *module, tl_var *x);

/* Calls its prepare: the table whose rows its outputs are, or NULL. With step NULL it forgets the batch. */
TL_API tl_var *tl_module_prepare(tl_module *module, const tl_step *step, tl_var *table, bool *failed);

/* Forgets what it and its children carry from batch to batch. */
TL_API void tl_module_reset_states(tl_module *module);

/* For `build`: a new parameter "module/name" of the module being built, which owns it. */
TL_API tl_parameter *tl_build_parameter(tl_builder *builder, const char *name, tl_shape shape,
                                        tl_initializer initializer);

/* The number of parameters, its children's included; parameter `index` of them, its own first, each child's
 * behind; and the number of weights in all of them. */
TL_API int tl_module_parameters(const tl_module *module);
TL_API tl_parameter *tl_module_parameter(const tl_module *module, int index);
TL_API int64_t tl_module_weights(const tl_module *module);

#endif
