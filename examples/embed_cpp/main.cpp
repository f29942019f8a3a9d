// fastfa from C++: a 30-20-10 linear network learns y = T x by feedback alignment (the paper's first
// experiment), as whole epochs, step by step, and through feedback of our own. Exits with the number of
// the first thing that is not as it should be.
#include <cstdio>
#include <random>
#include <thread>
#include <vector>

#include "fastfa/network.h"
#include "fastfa/runtime.h"

namespace {

constexpr std::int64_t n_in = 30, n_hidden = 20, n_out = 10, examples = 2000;

// One buffer of the simulator's, with inputs and targets side by side: fastfa reads it where it lies.
struct Task {
  static constexpr std::int64_t columns = n_in + n_out;
  std::vector<float> table = std::vector<float>(static_cast<std::size_t>(examples * columns));

  explicit Task(unsigned seed) {
    std::mt19937 draw(seed);
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<float> T(static_cast<std::size_t>(n_out * n_in));
    for (float& t : T) t = uniform(draw);
    for (std::int64_t n = 0; n < examples; ++n) {
      float* row = table.data() + n * columns;
      for (std::int64_t i = 0; i < n_in; ++i) row[i] = normal(draw);
      for (std::int64_t o = 0; o < n_out; ++o) {
        for (std::int64_t i = 0; i < n_in; ++i)
          row[n_in + o] += T[static_cast<std::size_t>(o * n_in + i)] * row[i];
      }
    }
  }
  fastfa::MatrixView<const float> x() const { return {table.data(), examples, n_in, columns}; }
  fastfa::MatrixView<const float> y() const { return {table.data() + n_in, examples, n_out, columns}; }
};

fastfa::NetworkSpec spec(fastfa::FeedbackSpec feedback, std::uint64_t seed = 1) {
  fastfa::NetworkSpec s;
  s.inputs = n_in;
  s.layers = {fastfa::dense(n_hidden), fastfa::dense(n_out)};
  s.feedback = {std::move(feedback)};
  s.seed = seed;
  return s;
}

std::vector<std::int64_t> natural_order() {
  std::vector<std::int64_t> order(examples);
  for (std::int64_t i = 0; i < examples; ++i) order[static_cast<std::size_t>(i)] = i;
  return order;
}

// Whole epochs, online; the mean loss of the last.
double learn_epochs(fastfa::Network<float>& net, const Task& task) {
  const std::vector<std::int64_t> order = natural_order();
  double loss = 0;
  for (int epoch = 0; epoch < 20; ++epoch) {
    loss = net.train_epoch(task.x(), task.y(), fastfa::Sgd{0.005}, 1, order.data(), examples).loss;
  }
  return loss;
}

// The same learning with the error from outside: a step in parts, as within a simulator.
void learn_in_parts(fastfa::Network<float>& net, const Task& task) {
  std::vector<float> out(n_out), e(n_out);
  for (int epoch = 0; epoch < 20; ++epoch) {
    for (std::int64_t n = 0; n < examples; ++n) {
      const float* row = task.table.data() + n * Task::columns;
      net.forward_step({row, 1, n_in}, {out.data(), 1, n_out});
      for (std::size_t o = 0; o < e.size(); ++o)
        e[o] = row[n_in + static_cast<std::int64_t>(o)] - out[o];
      net.apply_error({e.data(), 1, n_out}, fastfa::Sgd{0.005});
    }
  }
}

bool same_weights(const fastfa::Network<float>& a, const fastfa::Network<float>& b) {
  for (int l = 0; l < a.layers(); ++l) {
    const fastfa::WeightView<float> u = a.weights(l), v = b.weights(l);
    for (std::int64_t o = 0; o < u.shape[0]; ++o) {
      for (std::int64_t i = 0; i < u.shape[1]; ++i) {
        if (u.data[o * u.stride[0] + i * u.stride[1]] != v.data[o * v.stride[0] + i * v.stride[1]])
          return false;
      }
    }
  }
  return true;
}

// Feedback that is ours: B δ, here with the matrix of the library's own "fa", so that the two agree.
fastfa::FeedbackSpec own_feedback(fastfa::Network<float>& like) {
  const fastfa::OwnedMatrix<float> b = like.feedback_array(0);
  fastfa::FeedbackSpec f;
  f.matrix = fastfa::Matrix::custom;
  f.propagator = [b](const double* delta, std::int64_t n, std::int64_t n_source, double* out,
                     std::int64_t n_l) {
    for (std::int64_t r = 0; r < n; ++r) {
      for (std::int64_t j = 0; j < n_l; ++j) {
        double sum = 0;
        for (std::int64_t k = 0; k < n_source; ++k)
          sum += static_cast<double>(b.view(j, k)) * delta[r * n_source + k];
        out[r * n_l + j] = sum;
      }
    }
  };
  return f;
}

int run(const char* file) {
  const Task task(7);
  fastfa::Network<float> net(spec(fastfa::preset("fa")));
  const double before = net.evaluate(task.x(), task.y()).loss;
  learn_epochs(net, task);
  const double after = net.evaluate(task.x(), task.y()).loss;
  std::printf("fastfa %s: loss %.3g before, %.3g after %lld steps\n", fastfa::version(), before, after,
              static_cast<long long>(net.steps()));
  if (!(before > 1 && after < 1e-6 * before)) return 1;

  fastfa::Network<float> parts(spec(fastfa::preset("fa")));
  learn_in_parts(parts, task);
  if (!same_weights(net, parts)) return 2;  // to the last bit

  fastfa::Network<float> own(spec(fastfa::preset("shallow")));
  own.set_feedback({own_feedback(net)});
  learn_epochs(own, task);
  if (!(own.evaluate(task.x(), task.y()).loss < 1e-6 * before)) return 3;

  net.save(file);
  fastfa::Network<float> loaded(spec(fastfa::preset("fa"), 2));  // other weights, until it is loaded
  if (same_weights(net, loaded)) return 4;
  loaded.load(file);
  if (!same_weights(net, loaded)) return 5;

  // Two networks in two threads don't meet; two threads on one network take turns, step by step.
  fastfa::Network<float> one(spec(fastfa::preset("fa"))), two(spec(fastfa::preset("fa"), 3));
  std::thread first([&] { learn_epochs(one, task); }), second([&] { learn_in_parts(two, task); });
  first.join();
  second.join();
  if (!same_weights(net, one)) return 6;
  const std::int64_t steps = one.steps();
  const auto more = [&] { learn_epochs(one, task); };
  std::thread third(more), fourth(more);
  third.join();
  fourth.join();
  if (one.steps() != steps + 2 * 20 * examples) return 7;
  if (!(one.evaluate(task.x(), task.y()).loss < 1e-6 * before)) return 8;

  try {
    fastfa::NetworkSpec wrong = spec(fastfa::preset("fa"));
    wrong.layers[0].units = -1;
    const fastfa::Network<float> never(wrong);
    return 9;
  } catch (const std::invalid_argument& error) {
    std::printf("as it should: %s\n", error.what());
  }
  try {
    std::vector<float> few(3);  // where 2000 outputs of 10 units should go
    net.forward(task.x(), {few.data(), 1, 3});
    return 10;
  } catch (const std::invalid_argument& error) {
    std::printf("as it should: %s\n", error.what());
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const int status = run(count > 1 ? arguments[1] : "embed.safetensors");
    if (status != 0) std::fprintf(stderr, "check %d failed\n", status);
    return status;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 100;
  }
}
