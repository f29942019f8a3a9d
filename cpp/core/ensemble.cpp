// Networks trained side by side: each on one thread, or, if they are tiny and of a kind, together in the
// lanes of vectors.
#include "fastfa/ensemble.h"

#include <algorithm>
#include <map>

#include "core/checks.h"
#include "core/network_impl.h"

namespace fastfa {
namespace {

constexpr Index lane_networks = 6;    // lanes take as long as five alone, however few are in use
constexpr double chunk_work = 2.5e7;  // multiplications between two questions to `poll`, per network

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

// Networks of one kind, one in each lane. Their parameters are copied into the lanes once, and back
// after each run.
template <class T>
class Lanes {
 public:
  using Tiny = std::vector<TinyLayer<T>>;

  Lanes(Backend<T>& backend, const std::vector<const Tiny*>& nets, const std::vector<Rule<T>>& rules,
        int loss)
      : backend_(backend), nets_(nets), loss_(loss) {
    const Tiny& first = *nets_[0];
    for (const TinyLayer<T>& l : first) {
      w_.push_back(array(l.n_in * l.n_out));
      bias_.push_back(array(l.n_out));
      h_.push_back(array(l.n_out));
      delta_.push_back(array(l.n_out));
      b_.push_back(array(l.b && !l.transposed ? l.n_src * l.n_out : 0));
    }
    for (std::size_t k = 0; k < first.size(); ++k) {
      TinyLayer<T> l = first[k];
      const std::size_t from = l.source == first.back().delta ? first.size() - 1 : k + 1;
      if (l.b) {
        l.b = l.transposed ? w_[k + 1].data() : b_[k].data();
        l.source = delta_[from].data();
      }
      l.w = w_[k].data();
      if (l.bias) l.bias = bias_[k].data();
      l.h = h_[k].data();
      l.delta = delta_[k].data();
      layers_.push_back(l);
    }
    scratch_ = array(first.back().n_out);
    rate_ = array(1);
    decay_ = array(1);
    for (std::size_t i = 0; i < nets_.size(); ++i) {
      rate_.data()[i] = rules[i].learning.rate;
      decay_.data()[i] = rules[i].learning.decay;
      decays_ |= rules[i].learning.decay != 0;
    }
    const auto in = [](T& lane, const T& own) { lane = own; };
    parameters(in);
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      const TinyLayer<T>& l = first[k];
      if (b_[k].cols()) each(b_[k], k, &TinyLayer<T>::b, l.n_src, l.n_out, l.ldb, in);
    }
  }

  // Steps done; sums are added to each network's result.
  Index run(MatrixView<const T> x, MatrixView<const T> y, const Index* order, Index n,
            const std::vector<EpochResult*>& results) {
    std::vector<double> loss(static_cast<std::size_t>(backend_.lanes()));
    std::vector<Index> wrong(loss.size());
    Index done = 0;
    backend_.lane_run({{layers_.data(), static_cast<Index>(layers_.size()), loss_, x.data, x.row_stride,
                        y.data, y.row_stride, order, n, loss.data(), wrong.data(), &done},
                       rate_.data(),
                       decay_.data(),
                       decays_,
                       scratch_.data()});
    parameters([](const T& lane, T& own) { own = lane; });
    for (std::size_t i = 0; i < nets_.size(); ++i) {
      results[i]->loss += loss[i];
      results[i]->wrong += wrong[i];
      results[i]->examples += done;
    }
    return done;
  }

 private:
  Buffer<T> array(Index elements) const { return Buffer<T>(backend_, 1, elements * backend_.lanes()); }

  // Calls copy(element in the lanes, the network's own) for `member`, a matrix (rows, cols) of layer k.
  template <class Member, class Copy>
  void each(const Buffer<T>& lanes, std::size_t k, Member member, Index rows, Index cols, Index ld,
            Copy&& copy) const {
    for (std::size_t i = 0; i < nets_.size(); ++i) {
      const auto own = (*nets_[i])[k].*member;
      T* lane = lanes.data() + i;
      for (Index r = 0; r < rows; ++r) {
        for (Index c = 0; c < cols; ++c, lane += backend_.lanes()) copy(*lane, own[r * ld + c]);
      }
    }
  }
  template <class Copy>
  void parameters(Copy&& copy) const {
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      const TinyLayer<T>& l = (*nets_[0])[k];
      each(w_[k], k, &TinyLayer<T>::w, l.n_in, l.n_out, l.ldw, copy);
      if (l.bias) each(bias_[k], k, &TinyLayer<T>::bias, 1, l.n_out, 0, copy);
    }
  }

  Backend<T>& backend_;
  std::vector<const Tiny*> nets_;
  int loss_;
  std::vector<Buffer<T>> w_, bias_, h_, delta_, b_;
  Buffer<T> scratch_, rate_, decay_;
  bool decays_ = false;
  Tiny layers_;
};

// All networks are held for the whole call: in the order of their addresses, so that two calls can't
// wait for each other, and given back the other way round, since each restores what it found.
template <class T>
struct Sessions {
  std::vector<std::unique_ptr<Session<T>>> sessions;

  Sessions() = default;
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;
  ~Sessions() {
    while (!sessions.empty()) sessions.pop_back();
  }
};

// One call of train_together.
template <class T>
class Training {
 public:
  using Impl = typename Network<T>::Impl;

  Training(const std::vector<Impl*>& nets, MatrixView<const T> x, MatrixView<const T> y,
           const std::vector<Optimizer>& optimizers, Index batch_size)
      : nets_(nets),
        x_(x),
        y_(y),
        optimizers_(optimizers),
        batch_size_(batch_size),
        out_{std::vector<EpochResult>(nets.size()), std::vector<std::exception_ptr>(nets.size())},
        tiny_(nets.size()) {
    form_teams();
  }

  // All tasks do a chunk of the examples, then all the next one.
  Together run(const Index* order, Index n, const Poll& poll) {
    const std::shared_ptr<ThreadTeam> threads = ThreadTeam::instance();
    const auto tasks = static_cast<int>(teams_.size() + singles_.size());
    const Index chunk = chunk_batches() * batch_size_;
    for (Index at = 0; at < n; at += chunk) {
      if (asks_to_stop(poll)) throw Interrupted();
      const Index count = std::min(chunk, n - at);
      threads->run(tasks, [&](int begin, int end) {
        for (int k = begin; k < end; ++k) {
          const auto task = static_cast<std::size_t>(k);
          task < teams_.size() ? together(teams_[task], order + at, count)
                               : alone(singles_[task - teams_.size()], order + at, count);
        }
      });
    }
    for (EpochResult& r : out_.results) {
      if (r.examples > 0) r.loss /= static_cast<double>(r.examples);
    }
    return std::move(out_);
  }

 private:
  struct Team {
    std::vector<std::size_t> members;
    std::unique_ptr<Lanes<T>> lanes;
  };

  // Who goes in lanes: those of a kind of which there are enough, spread evenly over as many teams as it
  // takes.
  void form_teams() {
    std::map<std::vector<Index>, std::vector<std::size_t>> kinds;
    for (std::size_t i = 0; i < nets_.size(); ++i) {
      Impl& net = *nets_[i];
      const bool softmax = net.layers_.back().spec.activation == Activation::softmax;
      if (batch_size_ > 1 || softmax || !net.is_tiny(optimizers_[i])) {
        singles_.push_back(i);
        continue;
      }
      net.ready(optimizers_[i], 1);
      tiny_[i] = net.tiny_plan().layers;
      net.silence_tiny();
      const bool decays = std::get<Sgd>(optimizers_[i]).weight_decay != 0;
      kinds[kind_of(tiny_[i], static_cast<int>(net.spec_.loss), decays)].push_back(i);
    }
    for (const auto& [kind, members] : kinds) {
      const auto many = static_cast<Index>(members.size());
      if (many < lane_networks) {
        singles_.insert(singles_.end(), members.begin(), members.end());
        continue;
      }
      Backend<T>& backend = *nets_[members[0]]->backend_;
      const Index teams = (many + backend.lanes() - 1) / backend.lanes();
      for (Index t = 0; t < teams; ++t) {
        Team team{{members.begin() + t * many / teams, members.begin() + (t + 1) * many / teams},
                  nullptr};
        std::vector<const std::vector<TinyLayer<T>>*> layers;
        std::vector<Rule<T>> rules;
        for (std::size_t i : team.members) {
          layers.push_back(&tiny_[i]);
          rules.push_back(nets_[i]->rule_for(optimizers_[i], 1));
        }
        team.lanes = std::make_unique<Lanes<T>>(backend, layers, rules, static_cast<int>(kind[0]));
        teams_.push_back(std::move(team));
      }
    }
  }

  Index chunk_batches() const {
    double work = 0;
    for (const Impl* net : nets_) {
      double own = 0;
      for (const Layer<T>& l : net->layers_) own += 3.0 * static_cast<double>(l.w.rows() * l.w.cols());
      work = std::max(work, own);
    }
    return std::max(Index{1},
                    static_cast<Index>(chunk_work / (work * static_cast<double>(batch_size_) + 1)));
  }

  void alone(std::size_t i, const Index* order, Index n) {
    if (out_.stopped[i]) return;
    try {
      nets_[i]->train(x_, y_, optimizers_[i], batch_size_, order, n, {}, out_.results[i]);
    } catch (...) {
      out_.stopped[i] = std::current_exception();
    }
  }

  // Where one lane can't go on, all of the team do the rest of the chunk alone; so do those of a team
  // that has lost one, from then on.
  void together(Team& team, const Index* order, Index n) {
    Index done = 0;
    const auto lost = [&](std::size_t i) { return out_.stopped[i] != nullptr; };
    if (std::none_of(team.members.begin(), team.members.end(), lost)) {
      std::vector<EpochResult*> results;
      for (std::size_t i : team.members) results.push_back(&out_.results[i]);
      done = team.lanes->run(x_, y_, order, n, results);
      for (std::size_t i : team.members) nets_[i]->steps_ += done;
    }
    if (done == n) return;
    for (std::size_t i : team.members) alone(i, order + done, n - done);
  }

  std::vector<Impl*> nets_;
  MatrixView<const T> x_, y_;
  const std::vector<Optimizer>& optimizers_;
  Index batch_size_;
  Together out_;
  std::vector<std::vector<TinyLayer<T>>> tiny_;  // of each network that is tiny
  std::vector<Team> teams_;
  std::vector<std::size_t> singles_;
};

template <class T>
Together train_together(const std::vector<Network<T>*>& networks, MatrixView<const T> x,
                        MatrixView<const T> y, const std::vector<Optimizer>& optimizers,
                        std::int64_t batch_size, const std::int64_t* order, std::int64_t n,
                        const Poll& poll) {
  using Impl = typename Network<T>::Impl;
  std::vector<Impl*> nets;
  for (Network<T>* net : networks) nets.push_back(&net->impl());
  if (optimizers.size() != nets.size()) {
    refuse("[train_epoch] optimizer was a list of " + std::to_string(optimizers.size()) +
           "; there are " + std::to_string(nets.size()) + " networks");
  }
  for (std::size_t i = 0; i < nets.size(); ++i) {
    if (!nets[i]->backend_->immediate()) {
      refuse("[train_epoch] network " + std::to_string(i) + " is on device '" + nets[i]->spec_.device +
             "'; those of an ensemble must be on 'cpu' (a device trains one network at a time so far)");
    }
    nets[i]->check_training(x, y, optimizers[i], batch_size, order, n);
  }
  std::vector<Impl*> sorted = nets;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    refuse("[train_epoch] a network is in the ensemble twice; they must all be different");
  }
  Sessions<T> held;
  for (Impl* net : sorted) held.sessions.push_back(std::make_unique<Session<T>>(*net, true));
  return Training<T>(nets, x, y, optimizers, batch_size).run(order, n, poll);
}

template Together train_together(const std::vector<Network<float>*>&, MatrixView<const float>,
                                 MatrixView<const float>, const std::vector<Optimizer>&, std::int64_t,
                                 const std::int64_t*, std::int64_t, const Poll&);
template Together train_together(const std::vector<Network<double>*>&, MatrixView<const double>,
                                 MatrixView<const double>, const std::vector<Optimizer>&, std::int64_t,
                                 const std::int64_t*, std::int64_t, const Poll&);

}  // namespace fastfa
