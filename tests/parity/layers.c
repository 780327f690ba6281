#include "tests/parity/build_internal.h"

static tl_module *new_embedding(const json_t *at)
{
    return tl_embedding(whole_of(at, "input_dim"), whole_of(at, "output_dim"),
                        .mask_zero = flag_of(at, "mask_zero"));
}

static tl_module *new_category_encoding(const json_t *at)
{
    return tl_category_encoding(whole_of(at, "num_tokens"));
}

static tl_module *new_dense(const json_t *at)
{
    return tl_dense(whole_of(at, "units"), .activation = activation_of(at),
                    .no_bias = flag_of(at, "no_bias"));
}

static tl_module *new_layer_normalization(const json_t *at)
{
    return tl_layer_normalization(.epsilon = number_of(at, "epsilon", 0),
                                  .no_center = flag_of(at, "no_center"), .no_scale = flag_of(at, "no_scale"));
}

static tl_module *new_masking(const json_t *at)
{
    return tl_masking(.mask_value = number_of(at, "mask_value", 0));
}

static tl_module *new_simple_rnn(const json_t *at)
{
    return tl_simple_rnn(
        whole_of(at, "units"), .activation = activation_of(at), .no_bias = flag_of(at, "no_bias"),
        .return_sequences = flag_of(at, "return_sequences"), .go_backwards = flag_of(at, "go_backwards"),
        .stateful = flag_of(at, "stateful"), .checkpoint_every = whole_of(at, "checkpoint_every"));
}

static tl_merge_mode merge_mode_of(const json_t *at)
{
    static const char *const names[] = {
        [TL_MERGE_CONCAT] = "concat", [TL_MERGE_SUM] = "sum", [TL_MERGE_MUL] = "mul", [TL_MERGE_AVE] = "ave"};
    const char *name = text_of(at, "merge_mode", "");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return (tl_merge_mode)i;
    ck_abort_msg("there is no merge mode %s", name);
    return TL_MERGE_CONCAT;
}

static tl_module *new_bidirectional(const json_t *at)
{
    return tl_bidirectional(new_simple_rnn(json_object_get(at, "forward")),
                            new_simple_rnn(json_object_get(at, "backward")), .merge_mode = merge_mode_of(at));
}

static tl_module *new_average(const json_t *at)
{
    (void)at;
    return tl_global_average_pooling_1d();
}

static tl_module *new_maximum(const json_t *at)
{
    (void)at;
    return tl_global_max_pooling_1d();
}

static const struct {
    const char *type;
    tl_module *(*make)(const json_t *at);
} layers[] = {{"embedding", new_embedding},
              {"category_encoding", new_category_encoding},
              {"dense", new_dense},
              {"layer_normalization", new_layer_normalization},
              {"masking", new_masking},
              {"simple_rnn", new_simple_rnn},
              {"bidirectional", new_bidirectional},
              {"global_average_pooling_1d", new_average},
              {"global_max_pooling_1d", new_maximum}};

static tl_module *new_layer(const json_t *at)
{
    const char *type = text_of(at, "type", "");
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        if (strcmp(layers[i].type, type) == 0)
            return layers[i].make(at);
    ck_abort_msg("there is no layer %s", type);
    return NULL;
}

static void set_weights(vector_case c, const tl_model *model)
{
    const json_t *names = json_object_get(c.at, "weights");
    tl_tensor flat = given(c, "weights");
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    ck_assert_int_eq(count, (int)json_array_size(names));
    int64_t at = 0;
    for (int i = 0; i < count; i++) {
        ck_assert_str_eq(parameters[i]->name, json_string_value(json_array_get(names, (size_t)i)));
        check_ok(tl_tensor_copy(parameters[i]->value, take(flat, &at, parameters[i]->value.shape)));
    }
    ck_assert_int_eq(at, tl_tensor_count(flat));
    tl_tensor_free(&flat);
}

tl_model *new_model(vector_case c, tl_shape input, tl_optimizer *optimizer, tl_module **first)
{
    enum { MOST = 8 };
    const json_t *list = json_object_get(c.at, "layers");
    tl_module *made[MOST];
    int count = (int)json_array_size(list);
    ck_assert_int_le(count, MOST);
    for (int i = 0; i < count; i++)
        made[i] = new_layer(json_array_get(list, (size_t)i));
    tl_model *model = tl_sequential_of(made, count);
    ck_assert_msg(model != NULL, "%s: %s", c.name, tl_error_message());
    if (optimizer)
        check_ok(tl_compile(model, .optimizer = optimizer, .loss = loss_of(c.at),
                            .from_logits = flag_of(c.at, "from_logits")));
    check_ok(tl_build(model, input, c.dtype, 0));
    set_weights(c, model);
    if (first)
        *first = made[0];
    return model;
}

int64_t check_weights(vector_case c, const tl_model *model, bool gradients, tl_tensor flat)
{
    int count;
    tl_parameter *const *parameters = tl_model_parameters(model, &count);
    int64_t at = 0;
    for (int i = 0; i < count; i++) {
        tl_tensor got = gradients ? parameters[i]->gradient : parameters[i]->value;
        check_close(c, parameters[i]->name, got, take(flat, &at, got.shape));
    }
    return at;
}
