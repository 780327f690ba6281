/* Errors: how every function of the library says what went wrong.
 *
 * A function that makes something returns it, or NULL; any other function that can fail returns a
 * tl_status. Either way a sentence that names the operation, the offending values and what was expected
 * is left for the calling thread: tl_error_message(). Rests on nothing.
 */
#ifndef TL_TENSOR_ERROR_H
#define TL_TENSOR_ERROR_H

#if defined(__cplusplus)
#define TL_EXTERN extern "C"
#else
#define TL_EXTERN
#endif

#if defined(__GNUC__)
#define TL_API                TL_EXTERN __attribute__((visibility("default")))
#define TL_PRINTF(text, args) __attribute__((format(printf, text, args)))
#else
#define TL_API TL_EXTERN
#define TL_PRINTF(text, args)
#endif

typedef enum tl_status {
    TL_OK = 0,
    TL_ERROR_ARGUMENT, /* a value outside what the function takes */
    TL_ERROR_SHAPE,    /* shapes or ranks that do not fit */
    TL_ERROR_DTYPE,    /* element types that do not fit */
    TL_ERROR_RANGE,    /* an index past the end of what it indexes */
    TL_ERROR_STATE,    /* a call at the wrong time: a second backward, a model not compiled, ... */
    TL_ERROR_MEMORY,   /* the system has no more memory */
    TL_ERROR_IO,       /* a file or folder cannot be opened, read or written */
    TL_ERROR_FORMAT,   /* a file is not what it should be */
    TL_ERROR_NUMERIC   /* NaN or infinity where a number is needed, or a gradient check that fails */
} tl_status;

/* The message of the last failure on this thread; "" before any. Valid until the next failure. */
TL_API const char *tl_error_message(void);

/* The status of the last failure on this thread; TL_OK before any. */
TL_API tl_status tl_error_status(void);

/* Sets this thread's message, printf-style, and returns `status`: `return tl_error(TL_ERROR_SHAPE, ...)`. For
 * writers of ops, cells and layers. Cut at 511 bytes; control characters but the line feed become '?'. */
TL_API tl_status tl_error(tl_status status, const char *format, ...) TL_PRINTF(2, 3);

#endif
