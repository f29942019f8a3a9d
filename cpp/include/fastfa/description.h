/* The structs of the C interface: how networks, feedback, optimizers and matrices are described to the
 * functions of fastfa.h, which explains how they are used. */
#ifndef FASTFA_DESCRIPTION_H
#define FASTFA_DESCRIPTION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

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

/* An activation of the caller's own: a (n, units) to h = s(a) and s'(a), row by row, in float64 for
 * every network. Called in every forward pass, in the thread that called the network. Anything but 0
 * ends the call, as FASTFA_CALLBACK. */
typedef int32_t (*fastfa_activate)(void* user, const double* a, int64_t n, int64_t units, double* h,
                                   double* slope);

/* h = s(W x + b). Dense with `units`, or, with maps > 0, above (channels, height, width): each of its
 * positions sees a patch of kernel_h x kernel_w pixels, and `patches` says what is made of it. Pooling
 * has as many maps as channels, no bias and no activation; layers are counted without it wherever one is
 * named by its number. */
struct fastfa_feedback;

typedef struct fastfa_layer {
  size_t struct_size;
  int64_t units;          /* of a dense layer */
  const char* activation; /* "linear", "logistic", "tanh", "relu", "leaky_relu", "hard_tanh", "softplus",
                             "elu", "gelu", "silu", "softmax", "custom" with activate */
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
  fastfa_activate activate; /* of "custom", in a hidden layer */
  void* user;               /* handed to it; both must stay as long as the network */
  /* Above 0: a recurrent layer, at most one, with this time constant in steps, at least 1:
   * u = W_in x + W h + b, h <- h + (s(u) - h) / tau. W ~ N(0, recurrent_scale^2 / units). */
  double tau, recurrent_scale;
  const char* recurrent_feedback; /* what goes back in time: "zero" (RFLO), "transpose", "random" */
  /* Any other matrix in place of it, (units, units), layerwise, "fixed" or "kolen_pollack"; its scale
   * below 0: as large as W at first. NULL: none. */
  const struct fastfa_feedback* recurrent_matrix;
  int64_t input_delay; /* a recurrent layer sees what is below of so many steps before, zero at first */
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
   0.0,                   \
   NULL,                  \
   NULL,                  \
   0.0,                   \
   1.0,                   \
   "zero",                \
   NULL,                  \
   0}

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
  const char* magnitude;  /* of "sign": "uniform", "fixed", "redrawn", "array" */
  double scale;           /* below 0: equal_error, from gain and growth */
  double gain;            /* 0: what backprop would send at weights of the default scale */
  double density;         /* of "sparse" and "ternary", in (0, 1] */
  int64_t rank;           /* of "low_rank" */
  int64_t refresh;        /* of "pseudoinverse": steps between two of them */
  const double* array;    /* of "array": B, or |B|; rows = n_l, cols = n_source, row by row; copied */
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
  int32_t in_bf16;        /* 1: storage="bf16", for a fixed uniform, normal, orthogonal or array */
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
   0,                        \
   0}

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
  const char* matmul_precision; /* "float32"; on the CPU "bf16", on a GPU "tf32": large products */
  const char* noisy_layers;     /* of node perturbation: "all", or "hidden": the output learns from e */
  const char* noise_on;         /* of hidden layers: "pre_activation", "activation" */
} fastfa_config;
#define FASTFA_CONFIG_INIT                                                 \
  {sizeof(fastfa_config), 0, NULL, 0,   NULL,  0,         "squared_error", \
   FASTFA_FLOAT32,        0, 0.0,  0.0, "cpu", "float32", "all",           \
   "pre_activation"}

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

#ifdef __cplusplus
}
#endif
#endif
