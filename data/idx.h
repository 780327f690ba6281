/* IDX files: the format of MNIST and of the data sets made in its image. Rests on tensor.h.
 *
 * Two zero bytes, a byte for the type of the elements, a byte for the rank, a big-endian 32-bit size for each
 * axis, and the elements, big-endian and row-major (LeCun, Cortes, Burges: "The MNIST database of handwritten
 * digits").
 */
#ifndef TL_DATA_IDX_H
#define TL_DATA_IDX_H

#include "../tensor/tensor.h"

/* Reads an IDX file, gzip or plain, into a new tensor, which the caller frees with tl_tensor_free. What the
 * elements become:
 *
 *     0x08              unsigned byte             TL_U8
 *     0x09, 0x0B, 0x0C  signed byte, short, int   TL_I32
 *     0x0D              float                     TL_F32
 *     0x0E              double                    TL_F64
 *
 * An empty tensor with an error that names the file: TL_ERROR_IO if it cannot be opened or is no regular
 * file; TL_ERROR_FORMAT if it is empty or no IDX file, of another type, of rank 0 or over TL_MAX_RANK, of
 * sizes that no memory holds, shorter or longer than its sizes say, or gzip that is damaged, has gzip within
 * or unpacks to over 64 MiB and 100 times its size; TL_ERROR_MEMORY. A header is not trusted: memory is taken
 * as data comes. Thread-safe. */
TL_API tl_tensor tl_idx_read(const char *path);

#endif
