// Networks trained side by side: each on one thread, or, if they are tiny and of a kind, together in the
// lanes of vectors. On a device one after the other, or, if they are tiny, each in a block of its own.
#include "fastfa/ensemble.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "core/network/checks.h"
#include "core/runs/ensemble_blocks.h"
#include "core/runs/ensemble_lanes.h"

namespace fastfa {
namespace {

constexpr Index lane_networks = 6;    // a run in lanes takes as long as five networks one by one
constexpr double chunk_work = 2.5e7;  // multiplications between two questions to `poll`, per network

Index bits_of(double value) {
  Index bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// What must be the same in networks that share the lanes of a vector: all but weights, B and rates.
template <class Layers>
std::vector<Index> kind_of(const Layers& tiny, Loss loss, bool decays) {
  std::vector<Index> kind{static_cast<Index>(loss), decays};
  for (const auto& l : tiny) {
    const Index source = l.b ? 1 + (l.source - tiny.back().delta == 0) : 0;
    for (Index value : {l.n_in, l.n_out, Index{l.bias != nullptr}, static_cast<Index>(l.activation.kind),
                        bits_of(l.activation.leak), Index{l.trainable}, source, Index{l.transposed}}) {
      kind.push_back(value);
    }
  }
  return kind;
}

// "cuda" is "cuda:0".
std::string numbered(const std::string& device) {
  return device == "cpu" || device.find(':') != std::string::npos ? device : device + ":0";
}

}  // namespace

// All networks are held for the whole call. They are locked in the order of their addresses, so that two
// calls can't wait for each other, and released in the opposite order, because each Session restores
// the floating point mode that it found.
template <class T>
struct Sessions {
  std::vector<std::unique_ptr<Session<T>>> sessions;

  Sessions(std::vector<typename Network<T>::Impl*> nets, const char* call) {
    std::sort(nets.begin(), nets.end());
    if (std::adjacent_find(nets.begin(), nets.end()) != nets.end()) {
      refuse("[" + std::string(call) +
             "] a network is in the ensemble twice; they must all be different");
    }
    for (auto* net : nets) sessions.push_back(std::make_unique<Session<T>>(*net, true));
  }
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
           const std::vector<Optimizer>& optimizers, Index batch_size, const T* sample_weight)
      : nets_(nets),
        x_(x),
        y_(y),
        optimizers_(optimizers),
        batch_size_(batch_size),
        sample_weight_(sample_weight),
        out_{std::vector<EpochResult>(nets.size()), std::vector<std::exception_ptr>(nets.size())},
        tiny_(nets.size()) {
    if (nets[0]->backend_->immediate()) {
      form_teams();
    } else {
      form_blocks();
    }
  }

  // All tasks do the same chunk of the examples, and begin the next one together.
  Together run(const Index* order, Index n, const Poll& poll) {
    const std::shared_ptr<ThreadTeam> threads = ThreadTeam::instance();
    const auto tasks = static_cast<int>(teams_.size() + singles_.size());
    const Index batches = chunk_batches(), chunk = batches > n / batch_size_ ? n : batches * batch_size_;
    if (blocks_) blocks_->set_examples(x_, y_, order, n, sample_weight_);
    for (Index at = 0; at < n; at += chunk) {
      if (asks_to_stop(poll)) throw Interrupted();
      const Index count = std::min(chunk, n - at);
      if (!nets_[0]->backend_->immediate()) {
        if (blocks_) in_blocks(order, at, count);
        for (std::size_t i : singles_) alone(i, order + at, count);
        continue;
      }
      threads->run(tasks, [&](int begin, int end) {
        for (int k = begin; k < end; ++k) {
          const auto task = static_cast<std::size_t>(k);
          task < teams_.size() ? together(teams_[task], order + at, count)
                               : alone(singles_[task - teams_.size()], order + at, count);
        }
      });
    }
    for (EpochResult& r : out_.results) {
      if (r.examples > 0) conclude(r, {}, sample_weight_, order, r.examples);
    }
    return std::move(out_);
  }

 private:
  struct Team {
    std::vector<std::size_t> members;
    std::unique_ptr<Lanes<T>> lanes;  // null: each alone
  };

  // Tiny networks of the same kind share lanes if there are enough of them. If they are more than lanes,
  // they are spread evenly over teams.
  void form_teams() {
    std::map<std::vector<Index>, std::vector<std::size_t>> kinds;
    for (std::size_t i = 0; i < nets_.size(); ++i) {
      Impl& net = *nets_[i];
      const bool softmax = net.layers_.back().spec.activation == Activation::softmax;
      if (batch_size_ > 1 || softmax || !net.tiny_.can_step(optimizers_[i])) {
        singles_.push_back(i);
        continue;
      }
      net.ready(optimizers_[i], 1);
      tiny_[i] = net.tiny_.prepare();
      const bool decays = std::visit([](const auto& o) { return o.weight_decay != 0; }, optimizers_[i]);
      kinds[kind_of(tiny_[i], net.spec_.loss, decays)].push_back(i);
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
        std::vector<OptimizerStep<T>> steps;
        for (std::size_t i : team.members) {
          layers.push_back(&tiny_[i]);
          steps.push_back(nets_[i]->optimizer_step(optimizers_[i], 1));
        }
        team.lanes = std::make_unique<Lanes<T>>(backend, layers, steps, nets_[members[0]]->spec_.loss);
        teams_.push_back(std::move(team));
      }
    }
  }

  // On a device: all that are tiny, whatever their kind.
  void form_blocks() {
    std::vector<Impl*> members;
    for (std::size_t i = 0; i < nets_.size(); ++i) {
      Impl& net = *nets_[i];
      if (batch_size_ > 1 || !net.tiny_.can_step(optimizers_[i])) {
        singles_.push_back(i);
        continue;
      }
      net.ready(optimizers_[i], 1);
      tiny_[i] = net.tiny_.prepare();
      net.backend_->wait();  // its stream is another than the one that the blocks run on
      in_block_.push_back(i);
      members.push_back(&net);
    }
    if (!members.empty()) blocks_ = std::make_unique<Blocks<T>>(*members[0]->backend_);
  }

  // A network with a value out of range leaves its block and goes on alone, where the error is raised.
  void in_blocks(const Index* order, Index at, Index n) {
    std::vector<typename Blocks<T>::Member> running;
    std::vector<std::size_t> who;
    for (std::size_t i : in_block_) {
      if (out_.stopped[i]) continue;
      Impl& net = *nets_[i];
      const OptimizerStep<T> change = net.optimizer_step(optimizers_[i], 1);
      running.push_back({&tiny_[i], net.spec_.loss, change.learning.rate, change.learning.decay,
                         net.batch_.input.data(), &out_.results[i]});
      who.push_back(i);
    }
    const std::vector<Index> done = blocks_->run(running, at, n);
    for (std::size_t k = 0; k < who.size(); ++k) {
      nets_[who[k]]->steps_ += done[k];
      if (done[k] < n) alone(who[k], order + at + done[k], n - done[k]);
    }
  }

  Index chunk_batches() const {
    double work = 0;
    for (const Impl* net : nets_) {
      double own = 0;
      for (const Layer<T>& l : net->layers_) own += 3.0 * l.work();
      work = std::max(work, own);
    }
    return std::max(Index{1},
                    static_cast<Index>(chunk_work / (work * static_cast<double>(batch_size_) + 1)));
  }

  void alone(std::size_t i, const Index* order, Index n) {
    if (out_.stopped[i]) return;
    const auto* const before = std::exchange(held_together, &held_);
    try {
      nets_[i]->train(x_, y_, optimizers_[i], batch_size_, order, n, {}, out_.results[i],
                      sample_weight_);
    } catch (...) {
      out_.stopped[i] = std::current_exception();
    }
    held_together = before;
  }

  // If a value in one lane is out of range, the whole team goes on alone for good: the copies of the
  // weights in the lanes are no longer up to date.
  void together(Team& team, const Index* order, Index n) {
    Index done = 0;
    if (team.lanes) {
      std::vector<EpochResult*> results;
      for (std::size_t i : team.members) results.push_back(&out_.results[i]);
      done = team.lanes->run(x_, y_, order, n, sample_weight_, results);
      for (std::size_t i : team.members) nets_[i]->steps_ += done;
    }
    if (done == n) return;
    team.lanes = nullptr;
    for (std::size_t i : team.members) alone(i, order + done, n - done);
  }

  std::vector<Impl*> nets_;
  const std::vector<const void*> held_{nets_.begin(), nets_.end()};
  MatrixView<const T> x_, y_;
  const std::vector<Optimizer>& optimizers_;
  Index batch_size_;
  const T* sample_weight_;  // of each example; null: all 1
  Together out_;
  std::vector<std::vector<TinyLayer<T>>> tiny_;  // of each network that is tiny
  std::vector<Team> teams_;
  std::vector<std::size_t> singles_, in_block_;
  std::unique_ptr<Blocks<T>> blocks_;  // null: nobody is in one
};

template <class T>
Together train_together(const std::vector<Network<T>*>& networks, MatrixView<const T> x,
                        MatrixView<const T> y, const std::vector<Optimizer>& optimizers,
                        std::int64_t batch_size, const std::int64_t* order, std::int64_t n,
                        const Poll& poll) {
  return train_together(networks, x, y, optimizers, batch_size, order, n, poll,
                        static_cast<const T*>(nullptr));
}

template <class T>
std::vector<typename Network<T>::Impl*> impls_of(const std::vector<Network<T>*>& networks) {
  std::vector<typename Network<T>::Impl*> nets;
  for (Network<T>* net : networks) nets.push_back(&net->impl());
  return nets;
}

template <class T>
Together train_together(const std::vector<Network<T>*>& networks, MatrixView<const T> x,
                        MatrixView<const T> y, const std::vector<Optimizer>& optimizers,
                        std::int64_t batch_size, const std::int64_t* order, std::int64_t n,
                        const Poll& poll, const T* sample_weight) {
  const std::vector<typename Network<T>::Impl*> nets = impls_of(networks);
  if (optimizers.size() != nets.size()) {
    refuse("[train_epoch] optimizer was a list of " + std::to_string(optimizers.size()) +
           "; there are " + std::to_string(nets.size()) + " networks");
  }
  for (std::size_t i = 0; i < nets.size(); ++i) {
    if (numbered(nets[i]->spec_.device) != numbered(nets[0]->spec_.device)) {
      refuse("[train_epoch] network " + std::to_string(i) + " is on device '" + nets[i]->spec_.device +
             "', network 0 on '" + nets[0]->spec_.device + "'; all must be on the same");
    }
    nets[i]->check_training(x, y, optimizers[i], batch_size, order, n, sample_weight);
  }
  const Sessions<T> held(nets, "train_epoch");
  return Training<T>(nets, x, y, optimizers, batch_size, sample_weight).run(order, n, poll);
}

// Each network goes through all sequences on one thread; `poll` is asked between parts of them, but
// where the state goes on from call to call.
template <class T>
Together train_sequences_together(const std::vector<Network<T>*>& networks, MatrixView<const T> x,
                                  MatrixView<const T> y, const SequencePlan& plan,
                                  const std::vector<Optimizer>& optimizers, const Poll& poll,
                                  const T* weight) {
  const auto nets = impls_of(networks);
  if (optimizers.size() != nets.size()) {
    refuse("[train_sequences] optimizer was a list of " + std::to_string(optimizers.size()) +
           "; there are " + std::to_string(nets.size()) + " networks");
  }
  double work = 1;
  for (std::size_t i = 0; i < nets.size(); ++i) {
    nets[i]->check_training_in_time(x, y, plan, optimizers[i], weight);
    for (const Layer<T>& l : nets[i]->layers_) work = std::max(work, 3.0 * l.work());
  }
  const Sessions<T> held(nets, "train_sequences");
  for (auto* net : nets) net->check_now(plan);
  const std::vector<const void*> together(nets.begin(), nets.end());
  Together out{std::vector<EpochResult>(nets.size()), std::vector<std::exception_ptr>(nets.size())};
  const auto batches = static_cast<Index>(
      chunk_work / (work * static_cast<double>(plan.times) * static_cast<double>(plan.batch_size)));
  const Index chunk = std::max(Index{1}, std::min(batches, plan.n)) * plan.batch_size;
  const std::shared_ptr<ThreadTeam> threads = ThreadTeam::instance();
  SequencePlan part = plan;
  for (Index at = 0; at < plan.n; at += chunk) {
    if (asks_to_stop(poll)) throw Interrupted();
    part.order = plan.order + at;
    part.n = std::min(chunk, plan.n - at);
    threads->run(static_cast<int>(nets.size()), [&](int begin, int end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        if (out.stopped[i]) continue;
        const auto* const before = std::exchange(held_together, &together);
        try {
          nets[i]->train_sequences(x, y, part, optimizers[i], {}, weight, out.results[i]);
        } catch (...) {
          out.stopped[i] = std::current_exception();
        }
        held_together = before;
      }
    });
  }
  for (std::size_t i = 0; i < nets.size(); ++i) {
    nets[i]->conclude_sequences(out.results[i], plan, weight);
  }
  return out;
}

template Together train_sequences_together(const std::vector<Network<float>*>&, MatrixView<const float>,
                                           MatrixView<const float>, const SequencePlan&,
                                           const std::vector<Optimizer>&, const Poll&, const float*);
template Together train_sequences_together(const std::vector<Network<double>*>&,
                                           MatrixView<const double>, MatrixView<const double>,
                                           const SequencePlan&, const std::vector<Optimizer>&,
                                           const Poll&, const double*);
template Together train_together(const std::vector<Network<float>*>&, MatrixView<const float>,
                                 MatrixView<const float>, const std::vector<Optimizer>&, std::int64_t,
                                 const std::int64_t*, std::int64_t, const Poll&);
template Together train_together(const std::vector<Network<double>*>&, MatrixView<const double>,
                                 MatrixView<const double>, const std::vector<Optimizer>&, std::int64_t,
                                 const std::int64_t*, std::int64_t, const Poll&);
template Together train_together(const std::vector<Network<float>*>&, MatrixView<const float>,
                                 MatrixView<const float>, const std::vector<Optimizer>&, std::int64_t,
                                 const std::int64_t*, std::int64_t, const Poll&, const float*);
template Together train_together(const std::vector<Network<double>*>&, MatrixView<const double>,
                                 MatrixView<const double>, const std::vector<Optimizer>&, std::int64_t,
                                 const std::int64_t*, std::int64_t, const Poll&, const double*);

}  // namespace fastfa
