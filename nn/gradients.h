/* Gradient norms of a model: how large the gradient is at each time step of each recurrent layer, and for
 * each parameter. Rests on model.h and flow.h.
 *
 *     tl_gradient_norms *norms = tl_gradient_norms_of(model, x, y);
 *     tl_gradient_norms_print(norms, stdout);
 *     tl_gradient_norms_free(norms);
 *
 * says for each layer whether its gradients vanish, explode or arrive, and draws them.
 */
#ifndef TL_NN_GRADIENTS_H
#define TL_NN_GRADIENTS_H

#include "flow.h"
#include "model.h"

/* Of a recurrent layer, SimpleRNN or a cell of the user's. */
typedef struct tl_layer_gradients {
    char *name; /* "simple_rnn", "bidirectional/backward_simple_rnn" */
    int64_t steps;
    bool backwards; /* it takes the last step first */
    double *norms;  /* [steps], by time: ||dL/dh_t||, over all states of the cell and all rows of the batch */
    tl_flow_report flow;
} tl_layer_gradients;

typedef struct tl_parameter_gradient {
    char *name;
    double gradient, value; /* L2 norms */
} tl_parameter_gradient;

typedef struct tl_gradient_norms {
    double loss;
    tl_layer_gradients *layers; /* in the order in which they run */
    int layer_count;
    tl_parameter_gradient *parameters; /* in the model's order; of frozen ones the gradient is 0 */
    int parameter_count;
} tl_gradient_norms;

/* Measures them for one batch x [batch, ...], y [batch, ...]: of the loss, averaged as in tl_train_on_batch,
 * in training mode, dropout drawing what the next call of that would. Changes nothing: neither weights nor
 * gradients, nor what stateful layers carry, which start from zeros here. A compiled model; one that is not
 * built yet is, as by tl_train_on_batch. Keeps a whole batch on one tape, whatever checkpoint_every says, so
 * that a few dozen rows are enough. In f32 norms below 1e-38 are 0: denormal numbers are flushed. NULL with
 * the error set where the model or the shapes do not fit; the caller frees what is returned. */
TL_API tl_gradient_norms *tl_gradient_norms_of(tl_model *model, tl_tensor x, tl_tensor y);
TL_API void tl_gradient_norms_free(tl_gradient_norms *norms);

/* Writes what is judged of each layer, a plot of the norms by time step, on a scale of powers of ten, and a
 * table of the parameters. The plot, text or SVG, has room for TL_PLOT_LINES layers, and for none without. */
TL_API tl_status tl_gradient_norms_print(const tl_gradient_norms *norms, FILE *to);
TL_API tl_status tl_gradient_norms_svg(const tl_gradient_norms *norms, FILE *to);

/* A callback that measures the norms for one batch before training and at the end of every epoch, and writes
 * them to a CSV file: the number of the epoch, the loss, for each recurrent layer the norms at the step taken
 * first and at the last, and for each parameter its own. x and y are the caller's and must outlive tl_fit.
 * When training goes on from a checkpoint so does the file, as tl_csv_log's does.
 * Each measurement costs about as much as a step with that batch, recurrent layers step by step. */
TL_API tl_callback *tl_gradient_log(const char *path, tl_tensor x, tl_tensor y);

#endif
