/* fastfa from C: a 30-20-10 linear network learns y = T x by feedback alignment, as whole epochs and
 * step by step, with the error from outside. Exits with 0 if everything is as it should be. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastfa/fastfa.h"

enum { N_IN = 30, N_HIDDEN = 20, N_OUT = 10, EXAMPLES = 2000, EPOCHS = 20 };

static float x[EXAMPLES][N_IN], y[EXAMPLES][N_OUT];

/* Whatever goes wrong ends the program, with the line where it did. */
static void must(int good, const char* what, int line) {
  if (good) return;
  fprintf(stderr, "line %d: %s: %s\n", line, what, fastfa_last_error());
  exit(1);
}
#define CALL(f) must((f) == FASTFA_OK, #f, __LINE__)
#define CHECK(condition) must((condition), #condition, __LINE__)

static double uniform(void) { /* in (-1, 1): xorshift64* */
  static uint64_t s = 88172645463325252u;
  s ^= s >> 12;
  s ^= s << 25;
  s ^= s >> 27;
  return (double)((s * 2685821657736338717u) >> 11) / 4503599627370496.0 - 1.0;
}

static void draw_task(void) {
  float t[N_OUT][N_IN];
  int n, i, o;
  for (o = 0; o < N_OUT; ++o) {
    for (i = 0; i < N_IN; ++i) t[o][i] = (float)uniform();
  }
  for (n = 0; n < EXAMPLES; ++n) {
    for (i = 0; i < N_IN; ++i) x[n][i] = (float)(1.7320508 * uniform());
    for (o = 0; o < N_OUT; ++o) {
      for (i = 0; i < N_IN; ++i) y[n][o] += t[o][i] * x[n][i];
    }
  }
}

static fastfa_network* build(const fastfa_feedback* feedback, uint64_t seed) {
  fastfa_layer layers[2] = {FASTFA_LAYER_INIT, FASTFA_LAYER_INIT};
  fastfa_config config = FASTFA_CONFIG_INIT;
  fastfa_network* net = NULL;
  layers[0].units = N_HIDDEN;
  layers[1].units = N_OUT;
  config.inputs = N_IN;
  config.layers = layers;
  config.n_layers = 2;
  config.feedback = feedback;
  config.n_feedback = feedback ? 1 : 0;
  config.seed = seed;
  CALL(fastfa_network_create(&config, &net));
  return net;
}

static double loss_of(fastfa_network* net) {
  fastfa_result result;
  CALL(fastfa_evaluate(net, fastfa_view_f32(x[0], EXAMPLES, N_IN),
                       fastfa_view_f32(y[0], EXAMPLES, N_OUT), &result));
  return result.loss;
}

static void learn_epochs(fastfa_network* net, const fastfa_optimizer* sgd) {
  int epoch;
  for (epoch = 0; epoch < EPOCHS; ++epoch) {
    CALL(fastfa_train_epoch(net, fastfa_view_f32(x[0], EXAMPLES, N_IN),
                            fastfa_view_f32(y[0], EXAMPLES, N_OUT), sgd, 1, NULL, 0, NULL, NULL, NULL));
  }
}

/* As within a simulator: forward now, the error later, and what the units do can be read in between. */
static void learn_in_parts(fastfa_network* net, const fastfa_optimizer* sgd) {
  float out[N_OUT], e[N_OUT], h[N_HIDDEN];
  int epoch, n, o;
  for (epoch = 0; epoch < EPOCHS; ++epoch) {
    for (n = 0; n < EXAMPLES; ++n) {
      CALL(fastfa_forward_step(net, fastfa_view_f32(x[n], 1, N_IN), fastfa_matrix_f32(out, 1, N_OUT)));
      for (o = 0; o < N_OUT; ++o) e[o] = y[n][o] - out[o];
      CALL(fastfa_apply_error(net, fastfa_view_f32(e, 1, N_OUT), sgd, NULL));
    }
  }
  CALL(fastfa_step_activations(net, 0, fastfa_matrix_f32(h, 1, N_HIDDEN)));
  CHECK(h[0] != 0.0f);
}

static int same_weights(fastfa_network* a, fastfa_network* b) {
  int64_t l, o, i;
  for (l = 0; l < fastfa_layers(a); ++l) {
    fastfa_tensor u, v;
    CALL(fastfa_weights(a, l, &u));
    CALL(fastfa_weights(b, l, &v));
    for (o = 0; o < u.shape[0]; ++o) {
      for (i = 0; i < u.shape[1]; ++i) {
        const int64_t at_u = o * u.stride[0] + i * u.stride[1], at_v = o * v.stride[0] + i * v.stride[1];
        if (((float*)u.data)[at_u] != ((float*)v.data)[at_v]) return 0;
      }
    }
  }
  return 1;
}

/* Feedback of our own: every hidden unit hears one output. */
static int32_t propagate(void* user, const double* delta, int64_t n, int64_t n_source, double* out,
                         int64_t n_l) {
  int64_t r, j;
  ++*(int*)user;
  for (r = 0; r < n; ++r) {
    for (j = 0; j < n_l; ++j) out[r * n_l + j] = 0.3 * delta[r * n_source + j % n_source];
  }
  return 0;
}

int main(int count, char** arguments) {
  const char* file = count > 1 ? arguments[1] : "embed.safetensors";
  fastfa_optimizer sgd = FASTFA_SGD_INIT;
  fastfa_feedback own = FASTFA_FEEDBACK_INIT;
  fastfa_network *net, *parts, *custom, *loaded;
  double before, after;
  int calls = 0;

  CHECK(fastfa_abi() == FASTFA_ABI);
  draw_task();
  sgd.lr = 0.005;

  net = build(NULL, 1);
  before = loss_of(net);
  learn_epochs(net, &sgd);
  after = loss_of(net);
  printf("fastfa %s: loss %.3g before, %.3g after %lld steps\n", fastfa_version(), before, after,
         (long long)fastfa_steps(net));
  CHECK(before > 1 && after < 1e-6 * before);

  parts = build(NULL, 1);
  learn_in_parts(parts, &sgd);
  CHECK(same_weights(net, parts)); /* to the last bit */

  own.matrix = "custom";
  own.propagate = propagate;
  own.user = &calls;
  custom = build(&own, 1);
  learn_epochs(custom, &sgd);
  CHECK(calls == EPOCHS * EXAMPLES);
  CHECK(loss_of(custom) < 1e-6 * before);

  CALL(fastfa_save(net, file));
  loaded = build(NULL, 2);
  CHECK(!same_weights(net, loaded));
  CALL(fastfa_load(loaded, file));
  CHECK(same_weights(net, loaded));

  /* What is wrong is told, and changes nothing. */
  CHECK(fastfa_update_step(net, &sgd) == FASTFA_WRONG_ORDER);
  printf("as it should: %s\n", fastfa_last_error());
  CHECK(fastfa_load(net, "/nowhere/at.all") == FASTFA_IO);
  sgd.rule = "none";
  CHECK(fastfa_apply_error(parts, fastfa_view_f32(y[0], 1, N_OUT), &sgd, NULL) ==
        FASTFA_INVALID_ARGUMENT);
  CHECK(same_weights(net, loaded));

  fastfa_network_destroy(net);
  fastfa_network_destroy(parts);
  fastfa_network_destroy(custom);
  fastfa_network_destroy(loaded);
  return 0;
}
