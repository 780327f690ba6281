#include "text.h"

#include <math.h>
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

tl_status make_corpus(corpus *c, const text *t, const tl_alphabet *alphabet, const options *o)
{
    const training *r = &o->training;
    tl_tensor ids = tl_alphabet_encode(alphabet, t->bytes, t->size);
    if (!tl_tensor_ok(ids))
        return tl_error_status();
    int64_t count = tl_tensor_count(ids), kept = (int64_t)floor((double)count * (1 - r->validation_split));
    tl_status status = TL_OK;
    c->train = tl_streams(tl_tensor_slice(ids, 0, 0, kept), r->batch_size, o->window);
    if (tl_dataset_ok(c->train) && kept < count)
        c->validation = tl_streams(tl_tensor_slice(ids, 0, kept, count - kept), r->batch_size, o->window);
    if (!tl_dataset_ok(c->train) || (kept < count && !tl_dataset_ok(c->validation)))
        status = tl_error_status();
    tl_tensor_free(&ids);
    return status;
}

void free_corpus(corpus *c)
{
    tl_dataset_free(&c->train);
    tl_dataset_free(&c->validation);
}
