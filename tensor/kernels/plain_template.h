/* The plain form of every kernel, for one element type. Include with
 *   REAL     the type
 *   MATH(f)  the name of the C library's function f for it
 *   NAME(f)  how to name what is defined here
 *   WITH_SMOOTH_MAPS  defined where exp, tanh and sigmoid are wanted too; elsewhere
 *   EXP_MAP  the map kernel of exp
 * Compiled without contraction of a * b + c, so that it gives the same bits for every instruction set. */

/* The map kernels by formula; a, b and p as in kernels_internal.h. */
#define PLAIN_MAPS(MAP)                                                                                      \
    MAP(COPY, a)                                                                                             \
    MAP(NEG, -a)                                                                                             \
    MAP(ABS, MATH(fabs)(a))                                                                                  \
    MAP(SQRT, MATH(sqrt)(a))                                                                                 \
    MAP(LOG, MATH(log)(a))                                                                                   \
    MAP(RELU, a < 0 ? 0 : a)                                                                                 \
    MAP(SCALE, p0 *a)                                                                                        \
    MAP(POW, MATH(pow)(a, p0))                                                                               \
    MAP(CLAMP, a<p0 ? p0 : a> p1 ? p1 : a)                                                                   \
    MAP(ADD, a + b)                                                                                          \
    MAP(SUB, a - b)                                                                                          \
    MAP(MUL, a *b)                                                                                           \
    MAP(DIV, a / b)                                                                                          \
    MAP(MAX, a > b || a != a ? a : b)                                                                        \
    MAP(ADD_SCALED, a + p0 * b)                                                                              \
    MAP(EQUAL, a == b ? 1 : 0)                                                                               \
    MAP(SIGMOID_CROSS_ENTROPY, (a < 0 ? 0 : a) - a * b + MATH(log1p)(MATH(exp)(-MATH(fabs)(a))))             \
    MAP(SIGMOID_MINUS, NAME(sigmoid)(a) - b)                                                                 \
    MAP(ABS_GRAD, b > 0 ? a : b < 0 ? -a : b * a)                                                            \
    MAP(SQRT_GRAD, a / (2 * b))                                                                              \
    MAP(TANH_GRAD, a *(1 - b * b))                                                                           \
    MAP(SIGMOID_GRAD, a *b *(1 - b))                                                                         \
    MAP(RELU_GRAD, b <= 0 ? 0 : a)                                                                           \
    MAP(POW_GRAD, p0 == 0 ? 0 : a * p0 * MATH(pow)(b, p0 - 1))                                               \
    MAP(CLAMP_GRAD, b<p0 || b> p1 ? 0 : a)

/* Those that also exist as vector code, in maps.c. */
#define SMOOTH_MAPS(MAP)                                                                                     \
    MAP(EXP, MATH(exp)(a))                                                                                   \
    MAP(TANH, MATH(tanh)(a))                                                                                 \
    MAP(SIGMOID, NAME(sigmoid)(a))

static inline REAL NAME(sigmoid)(REAL a)
{
    REAL e = MATH(exp)(-MATH(fabs)(a)); /* never overflows */
    return (a < 0 ? e : 1) / (1 + e);
}

/* One loop with strides, and one without that the compiler can vectorize. */
#define DEFINE_MAP(which, formula)                                                                           \
    static inline REAL NAME(formula_##which)(REAL a, REAL b, REAL p0, REAL p1)                               \
    {                                                                                                        \
        (void)b, (void)p0, (void)p1;                                                                         \
        return formula;                                                                                      \
    }                                                                                                        \
    static void NAME(map_##which)(int64_t n, const void *a, int64_t sa, const void *b, int64_t sb,           \
                                  void *out, int64_t so, const double *p)                                    \
    {                                                                                                        \
        const REAL *x = a, *y = b ? b : a;                                                                   \
        REAL *z = out, p0 = p ? (REAL)p[0] : 0, p1 = p ? (REAL)p[1] : 0;                                     \
        if (sa == 1 && sb == 1 && so == 1)                                                                   \
            for (int64_t i = 0; i < n; i++)                                                                  \
                z[i] = NAME(formula_##which)(x[i], y[i], p0, p1);                                            \
        else                                                                                                 \
            for (int64_t i = 0; i < n; i++)                                                                  \
                z[i * so] = NAME(formula_##which)(x[i * sa], y[i * sb], p0, p1);                             \
    }
PLAIN_MAPS(DEFINE_MAP)
#ifdef WITH_SMOOTH_MAPS
SMOOTH_MAPS(DEFINE_MAP)
#define EXP_MAP NAME(map_EXP)
#endif
#undef DEFINE_MAP

enum { NAME(LANES) = 16 }; /* independent partial sums: fixed, so that every table adds in the same order */

static inline double NAME(gather_lanes)(const REAL *lane)
{
    double total = 0;
    for (int j = 0; j < NAME(LANES); j++)
        total += (double)lane[j];
    return total;
}

static double NAME(sum)(int64_t n, const void *a, int64_t stride)
{
    const REAL *x = a;
    REAL lane[NAME(LANES)] = {0};
    int64_t i = 0;
    if (stride == 1)
        for (; i + NAME(LANES) <= n; i += NAME(LANES))
            for (int j = 0; j < NAME(LANES); j++)
                lane[j] += x[i + j];
    for (; i < n; i++)
        lane[i % NAME(LANES)] += x[i * stride];
    return NAME(gather_lanes)(lane);
}

static double NAME(square_sum)(int64_t n, const void *a)
{
    const REAL *x = a;
    REAL lane[NAME(LANES)] = {0};
    int64_t i = 0;
    for (; i + NAME(LANES) <= n; i += NAME(LANES))
        for (int j = 0; j < NAME(LANES); j++)
            lane[j] += x[i + j] * x[i + j];
    for (; i < n; i++)
        lane[i % NAME(LANES)] += x[i] * x[i];
    return NAME(gather_lanes)(lane);
}

/* NaN, once there, stays. */
static inline REAL NAME(larger)(REAL most, REAL value)
{
    return value > most || value != value ? value : most;
}

static double NAME(max)(int64_t n, const void *a, int64_t stride)
{
    const REAL *x = a;
    REAL lane[NAME(LANES)], most = -(REAL)INFINITY;
    for (int j = 0; j < NAME(LANES); j++)
        lane[j] = most;
    int64_t i = 0;
    if (stride == 1)
        for (; i + NAME(LANES) <= n; i += NAME(LANES))
            for (int j = 0; j < NAME(LANES); j++)
                lane[j] = NAME(larger)(lane[j], x[i + j]);
    for (; i < n; i++)
        most = most != most ? most : NAME(larger)(most, x[i * stride]);
    for (int j = 0; j < NAME(LANES); j++)
        most = most != most ? most : NAME(larger)(most, lane[j]);
    return (double)most;
}

/* Adds up `width` columns, constant where this is inlined, so that their sums stay in registers. */
static inline __attribute__((always_inline)) void NAME(sum_block)(const int width, int64_t m, const REAL *x,
                                                                  int64_t a_row, REAL *z)
{
    REAL sum[4 * NAME(LANES)];
    for (int j = 0; j < width; j++)
        sum[j] = z[j];
    for (int64_t i = m - 1; i >= 0; i--)
        for (int j = 0; j < width; j++)
            sum[j] += x[i * a_row + j];
    for (int j = 0; j < width; j++)
        z[j] = sum[j];
}

static void NAME(sum_rows)(int64_t m, int64_t n, const void *a, int64_t a_row, void *out, bool add)
{
    enum { WIDE = 4 * NAME(LANES) };
    const REAL *x = a;
    REAL *z = out;
    if (!add)
        memset(z, 0, (size_t)n * sizeof *z);
    int64_t j = 0;
    for (; j + WIDE <= n; j += WIDE)
        NAME(sum_block)(WIDE, m, x + j, a_row, z + j);
    for (; j + NAME(LANES) <= n; j += NAME(LANES))
        NAME(sum_block)(NAME(LANES), m, x + j, a_row, z + j);
    for (; j < n; j++)
        NAME(sum_block)(1, m, x + j, a_row, z + j);
}

/* out = exp(a - most). Returns the sum, whose terms are taken in the same order by every table. */
static REAL NAME(exp_minus)(int64_t n, const REAL *a, REAL most, REAL *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = a[i] - most;
    EXP_MAP(n, out, 1, NULL, 1, out, 1, NULL);
    return (REAL)NAME(sum)(n, out, 1);
}

static void NAME(softmax)(int64_t n, const void *a, void *out)
{
    REAL *z = out, total = NAME(exp_minus)(n, a, (REAL)NAME(max)(n, a, 1), z);
    for (int64_t i = 0; i < n; i++)
        z[i] /= total;
}

static void NAME(log_softmax)(int64_t n, const void *a, void *out)
{
    enum { PIECE = 256 }; /* the exponentials go nowhere but into the sum */
    const REAL *x = a;
    REAL piece[PIECE], *z = out, most = (REAL)NAME(max)(n, a, 1), total = 0;
    for (int64_t i = 0; i < n; i += PIECE)
        total += NAME(exp_minus)(n - i < PIECE ? n - i : PIECE, x + i, most, piece);
    REAL shift = MATH(log)(total);
    for (int64_t i = 0; i < n; i++)
        z[i] = x[i] - most - shift;
}

/* Optimizer steps, after Keras 3. States and numbers come in the order in which they are read here. */

static void NAME(sgd)(int64_t n, const double *p, const void *gradient, void *weights, void *const states[])
{
    const REAL *g = gradient, rate = (REAL)p[0];
    REAL *w = weights;
    (void)states;
    for (int64_t i = 0; i < n; i++)
        w[i] -= rate * g[i];
}

static void NAME(momentum)(int64_t n, const double *p, const void *gradient, void *weights,
                           void *const states[])
{
    const REAL *g = gradient, rate = (REAL)p[0], momentum = (REAL)p[1];
    REAL *w = weights, *velocity = states[0];
    for (int64_t i = 0; i < n; i++) {
        velocity[i] = momentum * velocity[i] - rate * g[i];
        w[i] += velocity[i];
    }
}

static void NAME(nesterov)(int64_t n, const double *p, const void *gradient, void *weights,
                           void *const states[])
{
    const REAL *g = gradient, rate = (REAL)p[0], momentum = (REAL)p[1];
    REAL *w = weights, *velocity = states[0];
    for (int64_t i = 0; i < n; i++) {
        velocity[i] = momentum * velocity[i] - rate * g[i];
        w[i] += momentum * velocity[i] - rate * g[i];
    }
}

typedef struct NAME(rms_numbers) {
    REAL rate, rho, rest, epsilon, momentum;
} NAME(rms_numbers);

static inline NAME(rms_numbers) NAME(rms_read)(const double *p)
{
    return (NAME(rms_numbers)){(REAL)p[0], (REAL)p[1], (REAL)(1 - p[1]), (REAL)p[2], (REAL)p[3]};
}

static inline REAL NAME(rms_average)(REAL average, REAL value, NAME(rms_numbers) k)
{
    return k.rho * average + k.rest * value;
}

/* How far a weight moves. The mean of squares is never below the square of the mean but for rounding. */
static inline REAL NAME(rms_step)(REAL g, REAL square, REAL mean, NAME(rms_numbers) k)
{
    REAL variance = square - mean * mean;
    return k.rate * g / MATH(sqrt)((variance < 0 ? 0 : variance) + k.epsilon);
}

static void NAME(rmsprop)(int64_t n, const double *p, const void *gradient, void *weights,
                          void *const states[])
{
    const NAME(rms_numbers) k = NAME(rms_read)(p);
    const REAL *g = gradient;
    REAL *w = weights, *square = states[0];
    for (int64_t i = 0; i < n; i++) {
        square[i] = NAME(rms_average)(square[i], g[i] * g[i], k);
        w[i] -= NAME(rms_step)(g[i], square[i], 0, k);
    }
}

static void NAME(rmsprop_momentum)(int64_t n, const double *p, const void *gradient, void *weights,
                                   void *const states[])
{
    const NAME(rms_numbers) k = NAME(rms_read)(p);
    const REAL *g = gradient;
    REAL *w = weights, *square = states[0], *velocity = states[1];
    for (int64_t i = 0; i < n; i++) {
        square[i] = NAME(rms_average)(square[i], g[i] * g[i], k);
        velocity[i] = k.momentum * velocity[i] + NAME(rms_step)(g[i], square[i], 0, k);
        w[i] -= velocity[i];
    }
}

static void NAME(rmsprop_centered)(int64_t n, const double *p, const void *gradient, void *weights,
                                   void *const states[])
{
    const NAME(rms_numbers) k = NAME(rms_read)(p);
    const REAL *g = gradient;
    REAL *w = weights, *square = states[0], *mean = states[1];
    for (int64_t i = 0; i < n; i++) {
        square[i] = NAME(rms_average)(square[i], g[i] * g[i], k);
        mean[i] = NAME(rms_average)(mean[i], g[i], k);
        w[i] -= NAME(rms_step)(g[i], square[i], mean[i], k);
    }
}

static void NAME(rmsprop_centered_momentum)(int64_t n, const double *p, const void *gradient, void *weights,
                                            void *const states[])
{
    const NAME(rms_numbers) k = NAME(rms_read)(p);
    const REAL *g = gradient;
    REAL *w = weights, *square = states[0], *mean = states[1], *velocity = states[2];
    for (int64_t i = 0; i < n; i++) {
        square[i] = NAME(rms_average)(square[i], g[i] * g[i], k);
        mean[i] = NAME(rms_average)(mean[i], g[i], k);
        velocity[i] = k.momentum * velocity[i] + NAME(rms_step)(g[i], square[i], mean[i], k);
        w[i] -= velocity[i];
    }
}

typedef struct NAME(adam_numbers) {
    REAL alpha, rest1, rest2, epsilon, decay;
} NAME(adam_numbers);

static inline NAME(adam_numbers) NAME(adam_read)(const double *p)
{
    return (NAME(adam_numbers)){(REAL)p[0], (REAL)(1 - p[1]), (REAL)(1 - p[2]), (REAL)p[3], (REAL)p[4]};
}

/* The root is taken of `most`: the mean of squares itself, or with amsgrad the largest that it ever was. The
 * decay is that of the weight before the step, so that it does not matter which of the two comes first. */
static inline void NAME(adam_step)(REAL g, REAL *w, REAL *mean, REAL *square, REAL *most,
                                   NAME(adam_numbers) k)
{
    *mean += (g - *mean) * k.rest1;
    *square += (g * g - *square) * k.rest2;
    *most = NAME(formula_MAX)(*square, *most, 0, 0);
    *w -= k.decay * *w + k.alpha * *mean / (MATH(sqrt)(*most) + k.epsilon);
}

static void NAME(adam)(int64_t n, const double *p, const void *gradient, void *weights, void *const states[])
{
    const NAME(adam_numbers) k = NAME(adam_read)(p);
    const REAL *g = gradient;
    REAL *w = weights, *mean = states[0], *square = states[1];
    for (int64_t i = 0; i < n; i++)
        NAME(adam_step)(g[i], &w[i], &mean[i], &square[i], &square[i], k);
}

static void NAME(amsgrad)(int64_t n, const double *p, const void *gradient, void *weights,
                          void *const states[])
{
    const NAME(adam_numbers) k = NAME(adam_read)(p);
    const REAL *g = gradient;
    REAL *w = weights, *mean = states[0], *square = states[1], *most = states[2];
    for (int64_t i = 0; i < n; i++)
        NAME(adam_step)(g[i], &w[i], &mean[i], &square[i], &most[i], k);
}

static void NAME(adagrad)(int64_t n, const double *p, const void *gradient, void *weights,
                          void *const states[])
{
    const REAL *g = gradient, rate = (REAL)p[0], epsilon = (REAL)p[1];
    REAL *w = weights, *total = states[0];
    for (int64_t i = 0; i < n; i++) {
        total[i] += g[i] * g[i];
        w[i] -= rate * g[i] / MATH(sqrt)(total[i] + epsilon);
    }
}

/* The entries of a table that are made here. */
#define MAP_ENTRY(which, formula) [TL_MAP_##which] = NAME(map_##which),
#define PLAIN_ENTRIES                                                                                        \
    .update = {[TL_UPDATE_SGD] = NAME(sgd),                                                                  \
               [TL_UPDATE_MOMENTUM] = NAME(momentum),                                                        \
               [TL_UPDATE_NESTEROV] = NAME(nesterov),                                                        \
               [TL_UPDATE_RMSPROP] = NAME(rmsprop),                                                          \
               [TL_UPDATE_RMSPROP_MOMENTUM] = NAME(rmsprop_momentum),                                        \
               [TL_UPDATE_RMSPROP_CENTERED] = NAME(rmsprop_centered),                                        \
               [TL_UPDATE_RMSPROP_CENTERED_MOMENTUM] = NAME(rmsprop_centered_momentum),                      \
               [TL_UPDATE_ADAM] = NAME(adam),                                                                \
               [TL_UPDATE_AMSGRAD] = NAME(amsgrad),                                                          \
               [TL_UPDATE_ADAGRAD] = NAME(adagrad)},                                                         \
    .sum = NAME(sum), .max = NAME(max), .square_sum = NAME(square_sum), .sum_rows = NAME(sum_rows),          \
    .softmax = NAME(softmax), .log_softmax = NAME(log_softmax)
