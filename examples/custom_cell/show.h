/* The variants tried out. */
#ifndef CUSTOM_CELL_SHOW_H
#define CUSTOM_CELL_SHOW_H

#include <tapeloop.h>

/* For each variant a line: how far its outputs are from the plain cell's where they are to be the same, the
 * loss before and after a short training, and the number of its derivatives that were checked. An error if
 * outputs differ, the loss did not fall, or a derivative is wrong. */
tl_status show_variants(uint64_t seed);

#endif
