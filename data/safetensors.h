/* Safetensors: tensors by name, and a little text beside them, in one file.
 *
 * The format of trained weights: eight bytes with the length of a JSON header (little-endian), the header
 * {"name": {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}, ..., "__metadata__": {key: text}},
 * then the values, row-major and little-endian, without gaps. Element types are F32, F64, I32 and U8; a file
 * with any other (F16, BF16, I64, ...) is refused by name. What is read is believed only after it was
 * checked: a damaged or hostile file is an error, and takes memory in proportion to its own size at most.
 * Rests on tensor.h, and on jansson for the header.
 *
 * Every message starts with the path. Thread-safety: what was read may be shared by threads that only look.
 */
#ifndef TL_DATA_SAFETENSORS_H
#define TL_DATA_SAFETENSORS_H

#include "../tensor/tensor.h"

typedef struct tl_named_tensor {
    const char *name;
    tl_tensor tensor;
} tl_named_tensor;

typedef struct tl_metadata {
    const char *key;
    const char *value;
} tl_metadata;

/* Writes `count` tensors, any views, in the order given, and `pairs` pieces of metadata (NULL and 0: none).
 *
 * A name occurs once and is not "__metadata__", a key occurs once; both, and the values, are UTF-8. The data
 * starts at a multiple of eight bytes. The file appears whole or not at all, even if the machine stops: it
 * is written beside `path` as .tapeloop-N.tmp, flushed to the disk and renamed. After an error an old file is
 * as it was, and nothing is left behind. (The one exception says so: "written, but ...", when the folder
 * cannot be flushed after the renaming.)
 *
 * As with fopen, a new file's permissions follow the umask, an old file keeps those it had, one that the
 * user may not write is refused, and a symbolic link leads to the file it names. What is not a regular file
 * is refused too. Needs memory for the header and a copy of the largest tensor.
 *
 * Errors: TL_ERROR_ARGUMENT for names, keys and values, TL_ERROR_SHAPE for a broadcast view beyond all
 * memory, TL_ERROR_MEMORY, TL_ERROR_IO. An empty tensor leaves the message of whoever could not give it. */
TL_API tl_status tl_safetensors_write(const char *path, const tl_named_tensor tensors[], int count,
                                      const tl_metadata metadata[], int pairs);

/* TL_OK if tl_safetensors_write could write to `path` now, as far as that can be known without the data;
 * otherwise the error it would give. Leaves nothing behind and does not touch a file that is there. For
 * programs that should find out before the training, not after. */
TL_API tl_status tl_safetensors_writable(const char *path);

/* A file that was read. */
typedef struct tl_safetensors tl_safetensors;

/* Reads the whole file; NULL with the error set (TL_ERROR_IO, TL_ERROR_FORMAT, TL_ERROR_MEMORY). A file that
 * ends too early says so: "w.safetensors: cut short: header promises 4096 bytes of data, the file has 1000".
 * The caller frees it with tl_safetensors_free. */
TL_API tl_safetensors *tl_safetensors_read(const char *path);

/* Frees the object and with it all tensors, names and texts it gave. NULL is fine. */
TL_API void tl_safetensors_free(tl_safetensors *file);

/* The number of tensors; 0 for NULL. */
TL_API int tl_safetensors_count(const tl_safetensors *file);

/* The bytes of all tensors' values; 0 for NULL. */
TL_API int64_t tl_safetensors_bytes(const tl_safetensors *file);

/* The name of tensor i, counted from 0 in the order of the data; NULL with the error set if out of range. */
TL_API const char *tl_safetensors_name(const tl_safetensors *file, int i);

/* The tensor of that name: row-major, aligned to 64 bytes, owned by `file`. Empty, with an error that names
 * the file and the tensor, when there is none. */
TL_API tl_tensor tl_safetensors_tensor(const tl_safetensors *file, const char *name);

/* The metadata value of that key, owned by `file`; NULL, with no error set, when there is none. */
TL_API const char *tl_safetensors_metadata(const tl_safetensors *file, const char *key);

/* TL_OK if no float tensor of the file holds NaN or infinity, else TL_ERROR_NUMERIC with a message that names
 * the first such tensor, the value and its place. */
TL_API tl_status tl_safetensors_check_finite(const tl_safetensors *file);

#endif
