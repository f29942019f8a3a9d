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

#include "fastfa/description.h"
#include "fastfa/export.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FASTFA_ABI 1

FASTFA_API int32_t fastfa_abi(void);         /* FASTFA_ABI of the library that is loaded */
FASTFA_API const char* fastfa_version(void); /* "major.minor.patch" */

/* ---- status ----------------------------------------------------------------------------------------
 */

/* Of this thread's last call that failed; "" if there was none. Valid until its next call. */
FASTFA_API const char* fastfa_last_error(void);
/* After FASTFA_DIVERGED: the layer, -1 for the input, and the steps that the network had made. Either
 * pointer may be NULL. */
FASTFA_API void fastfa_last_divergence(int32_t* layer, int64_t* step);
/* The step of the sequences, from 0; -1 where it is not known, or the network is none in time. */
FASTFA_API int64_t fastfa_last_divergence_time(void);

/* ---- threads ---------------------------------------------------------------------------------------
 */

/* Of the library's team, which the whole process shares: 1 to 1024. Results don't depend on it. */
FASTFA_API fastfa_status fastfa_set_num_threads(int32_t n);
FASTFA_API int32_t fastfa_get_num_threads(void); /* 0 if FASTFA_NUM_THREADS makes no sense */

/* Fills in a published rule: "bp", "fa", "dfa", "drtp", "shallow", "sparse_fa", "usf", "brsf", "frsf",
 * "kp", "dkp", "wm", "pbp". struct_size must be set, by FASTFA_FEEDBACK_INIT. */
FASTFA_API fastfa_status fastfa_preset(const char* name, fastfa_feedback* feedback);

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

/* ---- networks in time, of which a layer has a tau --------------------------------------------------
 */

/* Sequences are rows of x and y: row e * times + t is sequence e at time t. `weight`, if not NULL, is
 * (rows, 1): what each row counts. A simulator takes fastfa_forward_step(), which is one step in time,
 * and fastfa_apply_error(), which learns from it by traces. */
typedef struct fastfa_sequences {
  size_t struct_size;
  int64_t times;
  const char* update;   /* "sequence": one update for a batch of whole sequences; "step": at every step;
                           "window": for each window of them */
  int64_t batch_size;   /* sequences */
  const int64_t* order; /* of n sequences; NULL: all, in their order */
  int64_t n;
  int32_t carry;  /* 1: the state goes on from call to call; 0: sequences begin with zero */
  int64_t window; /* with update "window": its steps; else 0 */
} fastfa_sequences;
#define FASTFA_SEQUENCES_INIT {sizeof(fastfa_sequences), 0, "sequence", 1, NULL, 0, 0, 0}

/* One epoch. poll and result may be NULL. */
FASTFA_API fastfa_status fastfa_train_sequences(fastfa_network* net, fastfa_view x, fastfa_view y,
                                                const fastfa_view* weight, const fastfa_sequences* plan,
                                                const fastfa_optimizer* optimizer, fastfa_poll poll,
                                                void* user, fastfa_weighted_result* result);
/* From a state of zero; the network's own is left alone. */
FASTFA_API fastfa_status fastfa_forward_sequences(fastfa_network* net, fastfa_view x, int64_t times,
                                                  fastfa_matrix out);
FASTFA_API fastfa_status fastfa_evaluate_sequences(fastfa_network* net, fastfa_view x, fastfa_view y,
                                                   const fastfa_view* weight, int64_t times,
                                                   fastfa_weighted_result* result);
/* Forgets state and traces; makes h (examples, units) the state, with traces of zero; copies it. */
FASTFA_API fastfa_status fastfa_reset(fastfa_network* net);
FASTFA_API fastfa_status fastfa_set_state(fastfa_network* net, fastfa_view h);
FASTFA_API fastfa_status fastfa_state(fastfa_network* net, fastfa_matrix out);

#ifdef __cplusplus
}
#endif

#endif
