#include "tensor/error_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_SIZE = 512 };

static _Thread_local char message[MESSAGE_SIZE];
static _Thread_local tl_status last = TL_OK;

const char *tl_error_message(void)
{
    return message;
}

tl_status tl_error_status(void)
{
    return last;
}

/* What a file says and a message repeats must not command the terminal that shows it. */
static void disarm(char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < ' ' && *text != '\n') || *text == 0x7F)
            *text = '?';
}

tl_status tl_error(tl_status status, const char *format, ...)
{
    char text[MESSAGE_SIZE]; /* the old message may be among the arguments */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    disarm(text);
    memcpy(message, text, sizeof text);
    last = status;
    return status;
}

tl_status tl_status_of(int code)
{
    return code == ENOMEM ? TL_ERROR_MEMORY : TL_ERROR_IO;
}

tl_status tl_missing(const char *what, const char *thing)
{
    return last != TL_OK ? last : tl_error(TL_ERROR_ARGUMENT, "%s: no %s", what, thing);
}
