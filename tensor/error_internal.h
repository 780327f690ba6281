/* What functions that are given NULL have in common. */
#ifndef TL_TENSOR_ERROR_INTERNAL_H
#define TL_TENSOR_ERROR_INTERNAL_H

#include "tensor/error.h"

/* The status for operation `what` that was given NULL for a `thing`: that of the failure that made it NULL,
 * whose message stays, or an error of its own if nothing failed before. */
tl_status tl_missing(const char *what, const char *thing);

/* The status for an errno of the system's, about a file: TL_ERROR_MEMORY or TL_ERROR_IO. */
tl_status tl_status_of(int code);

#endif
