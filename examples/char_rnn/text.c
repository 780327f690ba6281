#include "text.h"

#include <stdio.h>

enum { PATH_SIZE = 4096 };

static tl_status find_file(const options *o, char path[PATH_SIZE])
{
    static const char *const names[] = {"tinyshakespeare.txt"};
    return tl_data_locate(o->data, names, 1, path, PATH_SIZE);
}

tl_status read_text(text *t, const options *o)
{
    char found[PATH_SIZE];
    const char *path = o->text;
    if (!path && find_file(o, found) == TL_OK)
        path = found;
    if (!path && o->data)
        return tl_error_status();
    if (!path) {
        *t = (text){.bytes = embedded_text, .size = embedded_size};
        fprintf(stderr, "Data: the source code of this library, built in.\n"
                        "      scripts/fetch-data shakespeare downloads plays to learn instead.\n");
        return TL_OK;
    }
    fprintf(stderr, "Data: %s\n", path);
    t->bytes = t->own = tl_text_read(path, &t->size);
    return t->own ? TL_OK : tl_error_status();
}

void free_text(text *t)
{
    tl_text_free(t->own);
}

/* A part of the text as streams; `use` is what it is for. */
static tl_status cut(tl_dataset *part, const char *use, tl_tensor ids, const options *o)
{
    int64_t count = tl_tensor_count(ids), least = (int64_t)o->training.batch_size * o->window + 1;
    if (count < least)
        return tl_error(TL_ERROR_SHAPE,
                        "the text is too short: %lld characters to %s, expected at least %lld, which is one "
                        "more than --batch-size times --window",
                        (long long)count, use, (long long)least);
    *part = tl_streams(ids, o->training.batch_size, o->window);
    return tl_dataset_ok(*part) ? TL_OK : tl_error_status();
}

tl_status make_corpus(corpus *c, const text *t, const tl_alphabet *alphabet, const options *o)
{
    tl_tensor ids = tl_alphabet_encode(alphabet, t->bytes, t->size);
    if (!tl_tensor_ok(ids))
        return tl_error_status();
    int64_t count = tl_tensor_count(ids), kept = training_samples(&o->training, count);
    tl_status status = cut(&c->train, "train on", tl_tensor_slice(ids, 0, 0, kept), o);
    if (status == TL_OK && kept < count)
        status = cut(&c->validation, "validate on", tl_tensor_slice(ids, 0, kept, count - kept), o);
    tl_tensor_free(&ids);
    return status;
}

void free_corpus(corpus *c)
{
    tl_dataset_free(&c->train);
    tl_dataset_free(&c->validation);
}
