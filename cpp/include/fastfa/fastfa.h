/* fastfa for C, and for every language that can call C.
 *
 *   fastfa_layer layers[2] = {FASTFA_LAYER_INIT, FASTFA_LAYER_INIT};
 *   layers[0].units = 20;
 *   layers[1].units = 10;
 *   fastfa_config config = FASTFA_CONFIG_INIT;
 *   config.inputs = 30;
 *   config.layers = layers;
 *   config.n_layers = 2;
 *   fastfa_network *net = NULL;
 *   if (fastfa_network_create(&config, &net) != FASTFA_OK) puts(fastfa_last_error());
 *
 * Conventions. Rows are examples: x is (N, n_in), y (N, n_out). W is (n_out, n_in), B (n_l, n_source).
 * The error is target - output, deltas point downhill and updates are added. Layers count from 0, the
 * first hidden one; hidden layers are one fewer than layers.
 *
 * Errors. Functions return a fastfa_status; what went wrong is told by fastfa_last_error(), of the
 * calling thread. A call that returns anything but FASTFA_OK has changed no weight, except that
 * FASTFA_DIVERGED and FASTFA_INTERRUPTED in a training call leave the weights of the last whole step. No
 * C++ exception leaves a function.
 *
 * Threads. Each network has a lock of its own: calls on one network follow one another, calls on several
 * run at the same time. Nothing is global but the number of threads. Only fastfa_network_destroy() must
 * not meet another call on the same network. A callback must not call functions of its own network.
 *
 * Stability. Structs begin with their size, and grow at the end only: always start from their _INIT.
 * Functions are not removed while FASTFA_ABI stays the same. */
#ifndef FASTFA_FASTFA_H
#define FASTFA_FASTFA_H

#include <stddef.h>
#include <stdint.h>

#include "fastfa/export.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FASTFA_ABI 1

FASTFA_API int32_t fastfa_abi(void);         /* FASTFA_ABI of the library that is loaded */
FASTFA_API const char* fastfa_version(void); /* "major.minor.patch" */

/* ---- status ----------------------------------------------------------------------------------------
 */

typedef int32_t fastfa_status;
enum {
  FASTFA_OK = 0,
  FASTFA_INVALID_ARGUMENT = 1,
  FASTFA_WRONG_ORDER = 2, /* parts of a step: such as an error without a forward pass */
  FASTFA_DIVERGED = 3,    /* a value left the range in which the next update is sure to be finite */
  FASTFA_INTERRUPTED = 4, /* the poll function said stop */
  FASTFA_CALLBACK = 5,    /* a propagate function reported failure */
  FASTFA_IO = 6,          /* the system refused to read or write a file */
  FASTFA_BAD_FILE = 7,    /* a file is malformed or of another network */
  FASTFA_NO_MEMORY = 8,
  FASTFA_FAILED = 9, /* anything else */
  FASTFA_DEVICE = 10 /* a device isn't to be had, or failed */
};

/* Of this thread's last call that failed; "" if there was none. Valid until its next call. */
FASTFA_API const char* fastfa_last_error(void);
/* After FASTFA_DIVERGED: the layer, -1 for the input, and the steps that the network had made. Either
 * pointer may be NULL. */
FASTFA_API void fastfa_last_divergence(int32_t* layer, int64_t* step);

/* ---- threads ---------------------------------------------------------------------------------------
 */

/* Of the library's team, which the whole process shares: 1 to 1024. Results don't depend on it. */
FASTFA_API fastfa_status fastfa_set_num_threads(int32_t n);
FASTFA_API int32_t fastfa_get_num_threads(void); /* 0 if FASTFA_NUM_THREADS makes no sense */

/* ---- memory of the caller's ------------------------------------------------------------------------
 */

enum { FASTFA_FLOAT32 = 0, FASTFA_FLOAT64 = 1 };

/* A matrix that is read, and one that is written; neither is kept after the call. Strides count
 * elements. What is read must have col_stride 1. The dtype must be the network's, and data lie at a
 * multiple of its size. */
typedef struct fastfa_view {
  const void* data;
  int32_t dtype;
  int64_t rows, cols, row_stride, col_stride;
} fastfa_view;

typedef struct fastfa_matrix {
  void* data;
  int32_t dtype;
  int64_t rows, cols, row_stride, col_stride;
} fastfa_matrix;

/* Row after row without gaps. */
static inline fastfa_view fastfa_view_f32(const float* data, int64_t rows, int64_t cols) {
  fastfa_view v = {data, FASTFA_FLOAT32, rows, cols, cols, 1};
  return v;
}
static inline fastfa_view fastfa_view_f64(const double* data, int64_t rows, int64_t cols) {
  fastfa_view v = {data, FASTFA_FLOAT64, rows, cols, cols, 1};
  return v;
}
static inline fastfa_matrix fastfa_matrix_f32(float* data, int64_t rows, int64_t cols) {
  fastfa_matrix m = {data, FASTFA_FLOAT32, rows, cols, cols, 1};
  return m;
}
static inline fastfa_matrix fastfa_matrix_f64(double* data, int64_t rows, int64_t cols) {
  fastfa_matrix m = {data, FASTFA_FLOAT64, rows, cols, cols, 1};
  return m;
}

/* ---- what a network is made of ---------------------------------------------------------------------
 */

/* h = s(W x + b). Dense with `units`, or, with maps > 0, above (channels, height, width): each of its
 * positions sees a patch of kernel_h x kernel_w pixels, and `patches` says what is made of it. Pooling
 * has as many maps as channels, no bias and no activation; layers are counted without it wherever one is
 * named by its number. */
typedef struct fastfa_layer {
  size_t struct_size;
  int64_t units;          /* of a dense layer */
  const char* activation; /* "linear", "logistic", "tanh", "relu", "leaky_relu", "hard_tanh", "softplus",
                             "elu", "gelu", "silu", "softmax" */
  double weight_scale;    /* W ~ U(-w, w); below 0: 1 / sqrt(inputs of each unit) */
  double density;         /* the share of a dense layer's weights that exist, in (0, 1] */
  double dropout;         /* the share of h that is dropped while learning, in [0, 1) */
  int32_t bias;           /* 0: none */
  int32_t trainable;      /* 0: frozen */
  int64_t channels, height, width;
  int64_t maps, kernel_h, kernel_w, stride_h, stride_w;
  int32_t same_padding; /* 1: zeros around, ceil(size / stride) positions; 0: all patches lie inside */
  double leaky_slope;   /* of leaky_relu below zero, in [0, 1] */
  const char* patches; /* "own": weights of the position's own (locally connected), "shared": the same at
                          all positions (a convolution), "average", "max": pooling */
  /* Times the optimizer's lr and weight_decay: for the weights, and for the bias. */
  double lr_scale, decay_scale, bias_lr_scale, bias_decay_scale;
} fastfa_layer;
#define FASTFA_LAYER_INIT \
  {sizeof(fastfa_layer),  \
   0,                     \
   "linear",              \
   -1.0,                  \
   1.0,                   \
   0.0,                   \
   1,                     \
   1,                     \
   0,                     \
   0,                     \
   0,                     \
   0,                     \
   0,                     \
   0,                     \
   1,                     \
   1,                     \
   0,                     \
   0.05,                  \
   "own",                 \
   1.0,                   \
   1.0,                   \
   1.0,                   \
   0.0}

/* Feedback of the caller's own: delta (n, n_source), row by row, to what reaches the hidden layer, out
 * (n, n_l), before the slope. Both are float64 for every network. Called in the middle of a step, in the
 * thread that called the network. Anything but 0 ends the step before its update, as FASTFA_CALLBACK. */
typedef int32_t (*fastfa_propagate)(void* user, const double* delta, int64_t n, int64_t n_source,
                                    double* out, int64_t n_l);

/* The feedback into one hidden layer, as fastfa.Feedback in Python, where each kind is explained. */
typedef struct fastfa_feedback {
  size_t struct_size;
  const char* matrix;     /* "uniform", "transpose", "normal", ..., or "custom" with propagate */
  const char* route;      /* "layerwise", "direct", "target" */
  const char* plasticity; /* "fixed", "kolen_pollack", "weight_mirror" */
  const char* magnitude;  /* of "sign": "uniform", "fixed", "redrawn" */
  double scale;           /* below 0: equal_error, from gain and growth */
  double gain;            /* 0: what backprop would send at weights of the default scale */
  double density;         /* of "sparse" and "ternary", in (0, 1] */
  int64_t rank;           /* of "low_rank" */
  int64_t refresh;        /* of "pseudoinverse": steps between two of them */
  const double* array;    /* of "array": B, rows = n_l, cols = n_source, row by row; copied */
  int64_t rows, cols;
  /* Of "weight_mirror". mirror_lr above 0: B is an average, by this one rate and centred, whatever
   * mirror_growth, mirror_decay and mirror_centred say. */
  double mirror_lr, mirror_noise;
  int64_t mirror_every;
  fastfa_propagate propagate; /* of "custom" */
  void* user;                 /* handed to it; both must stay until the feedback is replaced */
  double growth;        /* of equal_error: errors this much larger in each lower layer; 0: 1, equal */
  int32_t before_slope; /* of equal_error, 1: their size is meant before the slope of the units */
  /* Of "weight_mirror", as fastfa.WeightMirror in Python. A struct that ends before these has the rule
   * of before them: 0, -1, 1. */
  double mirror_growth;   /* 0: as decay makes an average */
  double mirror_decay;    /* below 0: by itself */
  int32_t mirror_centred; /* whether the answer to silence is taken off */
} fastfa_feedback;
#define FASTFA_FEEDBACK_INIT \
  {sizeof(fastfa_feedback),  \
   "uniform",                \
   "layerwise",              \
   "fixed",                  \
   "uniform",                \
   -1.0,                     \
   0.0,                      \
   0.5,                      \
   0,                        \
   1,                        \
   NULL,                     \
   0,                        \
   0,                        \
   0.0,                      \
   0.028867513459481287,     \
   1,                        \
   NULL,                     \
   NULL,                     \
   0.0,                      \
   0,                        \
   0.01,                     \
   0.0,                      \
   0}

/* Fills in a published rule: "bp", "fa", "dfa", "drtp", "shallow", "sparse_fa", "usf", "brsf", "frsf",
 * "kp", "dkp", "wm", "pbp". struct_size must be set, by FASTFA_FEEDBACK_INIT. */
FASTFA_API fastfa_status fastfa_preset(const char* name, fastfa_feedback* feedback);

typedef struct fastfa_config {
  size_t struct_size;
  int64_t inputs;
  const fastfa_layer* layers; /* from the first hidden layer to the output */
  int64_t n_layers;
  const fastfa_feedback* feedback; /* one for each hidden layer, or one for all, or NULL: "fa" */
  int64_t n_feedback;
  const char* loss; /* "squared_error": output delta e * s'(a); "cross_entropy": e */
  int32_t dtype;    /* FASTFA_FLOAT32 or FASTFA_FLOAT64 */
  uint64_t seed;
  double input_dropout;
  double perturbation;          /* above 0: node perturbation with noise of this size, and no feedback */
  const char* device;           /* "cpu", or "cuda", "cuda:1", ... */
  const char* matmul_precision; /* "float32"; on the CPU "bf16", on a GPU "tf32": dense products */
} fastfa_config;
#define FASTFA_CONFIG_INIT                                                \
  {sizeof(fastfa_config), 0, NULL, 0,   NULL,  0,        "squared_error", \
   FASTFA_FLOAT32,        0, 0.0,  0.0, "cpu", "float32"}

/* "sgd":     v <- momentum v + g with g = lr (s gradient - weight_decay W), W <- W + v; with nesterov
 *            W <- W + g + momentum v. s is 1/N, or 1 with sum.
 * "adam":    Kingma & Ba (2015).
 * "adamw":   the same with decay of its own, W <- W - lr weight_decay W (Loshchilov & Hutter 2019).
 * "rmsprop": s <- rho s + (1 - rho) g^2, W <- W + lr g / (sqrt(s) + epsilon).
 * A setting that the rule doesn't name is ignored, but momentum, sum and nesterov, which must then be
 * 0. */
typedef struct fastfa_optimizer {
  size_t struct_size;
  const char* rule;
  double lr, momentum, weight_decay;
  int32_t sum;
  double beta1, beta2, epsilon;
  /* A struct that ends before these has 0 and 0.99, and no limits. */
  int32_t nesterov;
  double rho;
  /* All gradients together are scaled down to this norm, or each element is cut off at this size; not
   * both. 0: no limit. */
  double clip_norm, clip_value;
} fastfa_optimizer;
#define FASTFA_SGD_INIT \
  {sizeof(fastfa_optimizer), "sgd", 0.1, 0.0, 0.0, 0, 0.9, 0.999, 1e-8, 0, 0.99, 0.0, 0.0}
#define FASTFA_ADAM_INIT \
  {sizeof(fastfa_optimizer), "adam", 0.001, 0.0, 0.0, 0, 0.9, 0.999, 1e-8, 0, 0.99, 0.0, 0.0}
#define FASTFA_ADAMW_INIT \
  {sizeof(fastfa_optimizer), "adamw", 0.001, 0.0, 0.01, 0, 0.9, 0.999, 1e-8, 0, 0.99, 0.0, 0.0}
#define FASTFA_RMSPROP_INIT \
  {sizeof(fastfa_optimizer), "rmsprop", 0.001, 0.0, 0.0, 0, 0.9, 0.999, 1e-8, 0, 0.99, 0.0, 0.0}

/* ---- networks --------------------------------------------------------------------------------------
 */

typedef struct fastfa_network fastfa_network;

FASTFA_API fastfa_status fastfa_network_create(const fastfa_config* config, fastfa_network** net);
FASTFA_API void fastfa_network_destroy(fastfa_network* net); /* NULL is allowed */

/* 0 for a network that is NULL or a layer that isn't there. */
FASTFA_API int64_t fastfa_layers(const fastfa_network* net);
FASTFA_API int64_t fastfa_inputs(const fastfa_network* net);
FASTFA_API int64_t fastfa_units(const fastfa_network* net, int64_t layer);
FASTFA_API int64_t fastfa_steps(const fastfa_network* net); /* updates so far */

/* ---- weights ---------------------------------------------------------------------------------------
 */

/* A view of the network's own memory, readable and writable; valid as long as the network, of feedback
 * until it is replaced. W: (n_out, n_in), or (maps, out_h, out_w, channels, kernel_h, kernel_w). data is
 * NULL where there is nothing: without bias, or for a B that isn't stored dense. */
typedef struct fastfa_tensor {
  void* data;
  int32_t dtype;
  int32_t ndim;
  int64_t shape[6], stride[6]; /* strides count elements */
} fastfa_tensor;

FASTFA_API fastfa_status fastfa_weights(fastfa_network* net, int64_t layer, fastfa_tensor* tensor);
FASTFA_API fastfa_status fastfa_biases(fastfa_network* net, int64_t layer, fastfa_tensor* tensor);
FASTFA_API fastfa_status fastfa_feedback_stored(fastfa_network* net, int64_t hidden,
                                                fastfa_tensor* tensor);
/* B of any kind but "custom", written out: (n_l, n_source). */
FASTFA_API fastfa_status fastfa_feedback_array(fastfa_network* net, int64_t hidden, fastfa_matrix out);
/* After writing to weights: momentum and Adam start again, weights that don't exist are zero, feedback
 * that follows the weights is made anew, and the pass of a step in parts is dropped. */
FASTFA_API fastfa_status fastfa_reset_memory(fastfa_network* net);

/* Other feedback from now on: one for each hidden layer, or one for all. With perturbation above 0, n is
 * 0. Weights stay. */
FASTFA_API fastfa_status fastfa_set_feedback(fastfa_network* net, const fastfa_feedback* feedback,
                                             int64_t n, double perturbation);

/* Multiplies each B so that on these examples the deltas' root mean square, after the slope, is `gain`
 * times the output's in the last hidden layer, and `growth` times that of the layer above in the others.
 */
FASTFA_API fastfa_status fastfa_calibrate_feedback(fastfa_network* net, fastfa_view x, fastfa_view y,
                                                   double gain, double growth);

/* A safetensors file of weights, biases and stored feedback; see Network::save and load in network.h. */
FASTFA_API fastfa_status fastfa_save(fastfa_network* net, const char* path);
FASTFA_API fastfa_status fastfa_load(fastfa_network* net, const char* path);

/* ---- looking ---------------------------------------------------------------------------------------
 */

/* x (N, n_in) -> out (N, n_out) */
FASTFA_API fastfa_status fastfa_forward(fastfa_network* net, fastfa_view x, fastfa_matrix out);
/* h, or the deltas of targets y (N, n_out), of the first n layers: each (N, n_l). */
FASTFA_API fastfa_status fastfa_activations(fastfa_network* net, fastfa_view x, const fastfa_matrix* out,
                                            int64_t n);
FASTFA_API fastfa_status fastfa_deltas(fastfa_network* net, fastfa_view x, fastfa_view y,
                                       const fastfa_matrix* out, int64_t n);

typedef struct fastfa_result {
  double loss;      /* mean over the examples; while learning, each before its own update */
  int64_t wrong;    /* examples whose largest output is not at their largest target */
  int64_t examples; /* seen */
} fastfa_result;

FASTFA_API fastfa_status fastfa_evaluate(fastfa_network* net, fastfa_view x, fastfa_view y,
                                         fastfa_result* result);

/* With weights. sample_weight (N, 1), of the network's dtype, has what each row of x counts: finite and
 * from 0 to 1e14. It multiplies the example's loss and its output delta, and through that every delta;
 * with the route "target" also what is carried of the target. An update's mean is over the examples of
 * its batch, whatever they weigh. Weights of 1 give the very same bits as none. */
typedef struct fastfa_weighted_result {
  size_t struct_size;
  double loss;      /* sum of weight * loss / sum of weights; NaN if that is 0 */
  double missed;    /* sum of the weights of examples whose largest output isn't at the largest target */
  double weight;    /* sum of weights */
  int64_t examples; /* seen */
} fastfa_weighted_result;
#define FASTFA_WEIGHTED_RESULT_INIT {sizeof(fastfa_weighted_result), 0.0, 0.0, 0.0, 0}

FASTFA_API fastfa_status fastfa_deltas_weighted(fastfa_network* net, fastfa_view x, fastfa_view y,
                                                fastfa_view sample_weight, const fastfa_matrix* out,
                                                int64_t n);
FASTFA_API fastfa_status fastfa_evaluate_weighted(fastfa_network* net, fastfa_view x, fastfa_view y,
                                                  fastfa_view sample_weight,
                                                  fastfa_weighted_result* result);

/* ---- learning --------------------------------------------------------------------------------------
 */

/* Asked about every 20 ms, in the calling thread; anything but 0 ends the call before the next step. */
typedef int32_t (*fastfa_poll)(void* user);

/* One update for every batch_size examples, in the order order[0 ... n-1] of rows of x and y (NULL: 0
 * ... N-1, and n is not read). poll and result may be NULL. */
FASTFA_API fastfa_status fastfa_train_epoch(fastfa_network* net, fastfa_view x, fastfa_view y,
                                            const fastfa_optimizer* optimizer, int64_t batch_size,
                                            const int64_t* order, int64_t n, fastfa_poll poll,
                                            void* user, fastfa_result* result);
/* One update from the batch x, y; loss (may be NULL) is the mean before it. */
FASTFA_API fastfa_status fastfa_step(fastfa_network* net, fastfa_view x, fastfa_view y,
                                     const fastfa_optimizer* optimizer, double* loss);
/* The same with weights, as above. loss is sum of weight * loss / sum of weights. */
FASTFA_API fastfa_status fastfa_train_epoch_weighted(fastfa_network* net, fastfa_view x, fastfa_view y,
                                                     fastfa_view sample_weight,
                                                     const fastfa_optimizer* optimizer,
                                                     int64_t batch_size, const int64_t* order, int64_t n,
                                                     fastfa_poll poll, void* user,
                                                     fastfa_weighted_result* result);
FASTFA_API fastfa_status fastfa_step_weighted(fastfa_network* net, fastfa_view x, fastfa_view y,
                                              fastfa_view sample_weight,
                                              const fastfa_optimizer* optimizer, double* loss);

/* ---- a step in parts, for simulators ---------------------------------------------------------------
 */

/* Forward now, the error later, then feedback, and the update when told; together they are
 * fastfa_step(), to the last bit, if e is target - output (its rows, and the target's, times their
 * weights, if examples have such). Network::forward_step in network.h says what
 * may happen in between. `target` is NULL but for routes from the target.
 *
 * x (N, n_in) -> out (N, n_out); out.data may be NULL. */
FASTFA_API fastfa_status fastfa_forward_step(fastfa_network* net, fastfa_view x, fastfa_matrix out);
/* e (N, n_out) = target - output: every layer gets its delta; no weight changes. */
FASTFA_API fastfa_status fastfa_feedback_step(fastfa_network* net, fastfa_view e,
                                              const fastfa_view* target);
FASTFA_API fastfa_status fastfa_update_step(fastfa_network* net, const fastfa_optimizer* optimizer);
/* The latter two in one. */
FASTFA_API fastfa_status fastfa_apply_error(fastfa_network* net, fastfa_view e,
                                            const fastfa_optimizer* optimizer,
                                            const fastfa_view* target);

/* What is kept of such a step: examples N (0: nothing), whether deltas are there, whether it is done.
 * Any pointer may be NULL. */
FASTFA_API fastfa_status fastfa_step_state(fastfa_network* net, int64_t* examples, int32_t* has_deltas,
                                           int32_t* updated);
/* h and delta of one layer, (N, n_l) */
FASTFA_API fastfa_status fastfa_step_activations(fastfa_network* net, int64_t layer, fastfa_matrix out);
FASTFA_API fastfa_status fastfa_step_deltas(fastfa_network* net, int64_t layer, fastfa_matrix out);

#ifdef __cplusplus
}
#endif

#endif
