/* What the cell can do without a line of its own: models around it with all that tl_rnn and other layers
 * give, and what they have in common with the plain cell. */
#ifndef CUSTOM_CELL_VARIANTS_H
#define CUSTOM_CELL_VARIANTS_H

#include <tapeloop.h>

typedef struct variant {
    const char *name;
    tl_model *(*make)(int64_t units); /* not built yet; NULL with the error set */

    /* The outputs for x, in a way in which they are to be those of the plain cell of the same weights, and
     * what is between the two. NULL where outputs are others. The caller frees them. */
    tl_tensor (*predict)(tl_model *model, tl_tensor x);
    const char *between;

    bool stateful; /* needs tl_fit and the like to keep its states: does not run on a bare tape */
} variant;

enum { VARIANTS = 7 };
extern const variant variants[VARIANTS];

#endif
