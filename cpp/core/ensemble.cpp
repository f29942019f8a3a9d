// Networks trained side by side: each on one thread, or, if they are tiny and of a kind, together in the
// lanes of vectors.
#include "fastfa/ensemble.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "core/checks.h"
#include "core/network_impl.h"

namespace fastfa {
namespace {

constexpr Index lane_networks = 3;     // fewer aren't worth a lane run
constexpr double chunk_work = 2.5e7;   // multiplications between two questions to `poll`, per network

[[noreturn]] void refuse(const std::string& message) { throw std::invalid_argument(message); }

// What networks in lanes have in common: everything but numbers.
template <class Layers>
std::vector<Index> kind_of(const Layers& tiny, int loss, bool decays) {
  std::vector<Index> kind{loss, decays};
  for (const auto& l : tiny) {
    const Index source = l.b ? 1 + (l.source - tiny.back().delta == 0) : 0;
    for (Index value : {l.n_in, l.n_out, Index{l.bias != nullptr}, Index{l.activation},
                        Index{l.trainable}, source, Index{l.transposed}}) {
      kind.push_back(value);
    }
  }
  return kind;
}

}  // namespace

// Networks of one kind, one in each lane, for one chunk of examples.
template <class T>
class Lanes {
 public:
  using Impl = typename Network<T>::Impl;

  Lanes(Backend<T>& backend, const std::vector<std::vector<TinyLayer<T>>*>& nets, int loss)
      : backend_(backend), nets_(nets), lanes_(backend.lanes()), loss_(loss) {
    const std::vector<TinyLayer<T>>& first = *nets_[0];
    for (const TinyLayer<T>& l : first) {
      w_.push_back(array(l.n_in * l.n_out));
      bias_.push_back(array(l.n_out));
      h_.push_back(array(l.n_out));
      delta_.push_back(array(l.n_out));
      b_.push_back(array(l.b && !l.transposed ? l.n_src * l.n_out : 0));
    }
    for (std::size_t k = 0; k < first.size(); ++k) {
      const TinyLayer<T>& l = first[k];
      const std::size_t from = l.source == first.back().delta ? first.size() - 1 : k + 1;
      const T* b = !l.b ? nullptr : l.transposed ? w_[k + 1].data() : b_[k].data();
      layers_.push_back({l.n_in, l.n_out, w_[k].data(), l.bias ? bias_[k].data() : nullptr, l.activation,
                         l.trainable, h_[k].data(), delta_[k].data(), b, l.transposed,
                         l.b ? delta_[from].data() : nullptr, l.n_src});
    }
    scratch_ = array(first.back().n_out);
    rate_ = array(1);
    decay_ = array(1);
  }

  // Steps done; sums are added to each network's result.
  Index run(const std::vector<Rule<T>>& rules, MatrixView<const T> x, MatrixView<const T> y,
            const Index* order, Index n, const std::vector<EpochResult*>& results) {
    bool decays = false;
    for (std::size_t i = 0; i < nets_.size(); ++i) {
      rate_.data()[i] = rules[i].learning.rate;
      decay_.data()[i] = rules[i].learning.decay;
      decays |= rules[i].learning.decay != 0;
    }
    move(true);
    std::vector<double> loss(static_cast<std::size_t>(lanes_));
    std::vector<Index> wrong(static_cast<std::size_t>(lanes_));
    Index done = 0;
    backend_.lane_run({layers_.data(), static_cast<Index>(layers_.size()), loss_, rate_.data(),
                       decay_.data(), decays, x.data, x.row_stride, y.data, y.row_stride, order, n,
                       scratch_.data(), loss.data(), wrong.data(), &done});
    move(false);
    for (std::size_t i = 0; i < nets_.size(); ++i) {
      results[i]->loss += loss[i];
      results[i]->wrong += wrong[i];
      results[i]->examples += done;
    }
    return done;
  }

 private:
  Buffer<T> array(Index elements) const { return Buffer<T>(1, elements * lanes_); }

  // Parameters into the lanes, or back.
  void move(bool in) {
    for (std::size_t i = 0; i < nets_.size(); ++i) {
      const auto each = [&](T* lanes, T* own, Index rows, Index cols, Index ld) {
        for (Index r = 0; r < rows; ++r) {
          for (Index c = 0; c < cols; ++c) {
            T& there = lanes[(r * cols + c) * lanes_ + static_cast<Index>(i)];
            T& here = own[r * ld + c];
            (in ? there : here) = in ? here : there;
          }
        }
      };
      for (std::size_t k = 0; k < layers_.size(); ++k) {
        const TinyLayer<T>& l = (*nets_[i])[k];
        each(w_[k].data(), l.w, l.n_in, l.n_out, l.ldw);
        if (l.bias) each(bias_[k].data(), l.bias, 1, l.n_out, 0);
        if (in && l.b && !l.transposed) each(b_[k].data(), const_cast<T*>(l.b), l.n_src, l.n_out, l.ldb);
      }
    }
  }

  Backend<T>& backend_;
  std::vector<std::vector<TinyLayer<T>>*> nets_;
  Index lanes_;
  int loss_;
  std::vector<Buffer<T>> w_, bias_, h_, delta_, b_;
  Buffer<T> scratch_, rate_, decay_;
  std::vector<LaneLayer<T>> layers_;
};

template <class T>
Together train_together(const std::vector<Network<T>*>& networks, MatrixView<const T> x,
                        MatrixView<const T> y, const std::vector<Optimizer>& optimizers,
                        std::int64_t batch_size, const std::int64_t* order, std::int64_t n,
                        const Poll& poll) {
  using Impl = typename Network<T>::Impl;
  std::vector<Impl*> nets;
  for (Network<T>* net : networks) nets.push_back(&net->impl());
  const std::size_t count = nets.size();
  if (optimizers.size() != count) {
    refuse("[train_epoch] optimizer was a list of " + std::to_string(optimizers.size()) +
           "; there are " + std::to_string(count) + " networks");
  }
  for (std::size_t i = 0; i < count; ++i) {
    nets[i]->check_training(x, y, optimizers[i], batch_size, order, n);
  }
  // All networks are held for the whole call; in one order, so that two calls can't wait for each other.
  std::vector<Impl*> sorted = nets;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    refuse("[train_epoch] a network is in the ensemble twice; they must all be different");
  }
  std::vector<std::unique_ptr<Session<T>>> sessions;
  for (Impl* net : sorted) sessions.push_back(std::make_unique<Session<T>>(*net, true));

  Together out{std::vector<EpochResult>(count), std::vector<std::exception_ptr>(count)};
  const auto alone = [&](std::size_t i, Index at, Index end) {
    if (out.stopped[i]) return;
    EpochResult& own = out.results[i];
    try {
      nets[i]->train(x, y, optimizers[i], batch_size, order + at, end - at, {}, own);
    } catch (...) {
      out.stopped[i] = std::current_exception();
    }
  };

  // Who goes in lanes: {kind: networks}.
  std::map<std::vector<Index>, std::vector<std::size_t>> kinds;
  std::vector<std::vector<TinyLayer<T>>> tiny(count);
  std::vector<std::vector<std::size_t>> teams;  // of lanes
  std::vector<bool> in_team(count, false);
  double work = 0;
  for (std::size_t i = 0; i < count; ++i) {
    double own = 0;
    for (const Layer<T>& l : nets[i]->layers_) own += 3.0 * static_cast<double>(l.w.rows() * l.w.cols());
    work = std::max(work, own);
    const bool softmax = nets[i]->layers_.back().spec.activation == Activation::softmax;
    if (batch_size > 1 || softmax || !nets[i]->is_tiny(optimizers[i])) continue;
    nets[i]->ready(optimizers[i], 1);
    tiny[i] = nets[i]->tiny_layers();
    const bool decays = std::get<Sgd>(optimizers[i]).weight_decay != 0;
    kinds[kind_of(tiny[i], static_cast<int>(nets[i]->spec_.loss), decays)].push_back(i);
  }
  std::vector<std::unique_ptr<Lanes<T>>> lanes;
  for (const auto& [kind, members] : kinds) {
    const auto many = static_cast<Index>(members.size());
    if (many < lane_networks) continue;
    Backend<T>& backend = *nets[members[0]]->backend_;
    const Index groups = (many + backend.lanes() - 1) / backend.lanes();
    for (Index g = 0; g < groups; ++g) {
      teams.emplace_back(members.begin() + g * many / groups, members.begin() + (g + 1) * many / groups);
      std::vector<std::vector<TinyLayer<T>>*> layers;
      for (std::size_t i : teams.back()) layers.push_back(&tiny[i]), in_team[i] = true;
      lanes.push_back(std::make_unique<Lanes<T>>(backend, layers, static_cast<int>(kind[0])));
    }
  }
  std::vector<std::size_t> singles;
  for (std::size_t i = 0; i < count; ++i) {
    if (!in_team[i]) singles.push_back(i);
  }

  // Where one lane can't go on, all of the team do the rest of the chunk alone, and so do those of a team
  // that has lost one from then on.
  const auto together = [&](std::size_t t, Index at, Index end) {
    const std::vector<std::size_t>& team = teams[t];
    const bool whole = std::none_of(team.begin(), team.end(), [&](auto i) { return bool(out.stopped[i]); });
    if (whole) {
      std::vector<Rule<T>> rules;
      std::vector<EpochResult*> results;
      for (std::size_t i : team) {
        rules.push_back(nets[i]->rule_for(optimizers[i], 1));
        results.push_back(&out.results[i]);
      }
      const Index done = lanes[t]->run(rules, x, y, order + at, end - at, results);
      for (std::size_t i : team) nets[i]->steps_ += done;
      at += done;
    }
    if (at == end) return;
    for (std::size_t i : team) alone(i, at, end);
  };

  const std::shared_ptr<ThreadTeam> threads = ThreadTeam::instance();
  const auto tasks = static_cast<int>(teams.size() + singles.size());
  const Index batches = std::max(
      Index{1}, static_cast<Index>(chunk_work / (work * static_cast<double>(batch_size) + 1)));
  for (Index at = 0; at < n;) {
    if (asks_to_stop(poll)) throw Interrupted();
    const Index end = std::min(n, at + batches * batch_size);
    threads->run(tasks, [&](int begin, int task_end) {
      for (int k = begin; k < task_end; ++k) {
        const auto task = static_cast<std::size_t>(k);
        task < teams.size() ? together(task, at, end) : alone(singles[task - teams.size()], at, end);
      }
    });
    at = end;
  }
  for (EpochResult& r : out.results) {
    if (r.examples > 0) r.loss /= static_cast<double>(r.examples);
  }
  return out;
}

template Together train_together(const std::vector<Network<float>*>&, MatrixView<const float>,
                                 MatrixView<const float>, const std::vector<Optimizer>&, std::int64_t,
                                 const std::int64_t*, std::int64_t, const Poll&);
template Together train_together(const std::vector<Network<double>*>&, MatrixView<const double>,
                                 MatrixView<const double>, const std::vector<Optimizer>&, std::int64_t,
                                 const std::int64_t*, std::int64_t, const Poll&);

}  // namespace fastfa
