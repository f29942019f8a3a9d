// Calls that look at sequences and change no weight, and the state of a recurrent layer.
#include <algorithm>
#include <string>

#include "core/network/checks.h"
#include "core/network/network_impl.h"
#include "core/runs/sequences.h"
#include "fastfa/names.h"

namespace fastfa {
namespace {

constexpr Index most_rows = 4096;  // of a pass that only looks, unless one sequence has more

// Rows of n sequences, which lie as fill_rows() says, to the places of sequences first … first + n.
template <class T>
void put_rows(const Buffer<T>& from, Index first, Index n, Index times, MatrixView<T> to) {
  for (Index r = 0; r < n * times; ++r) {
    const Index row = (first + r % n) * times + r / n;
    for (Index c = 0; c < to.cols; ++c) to(row, c) = from.row(r)[c];
  }
}

// A view of a buffer that keeps its memory; no data if there is none.
template <class T>
OwnedMatrix<T> owned(const Buffer<T>& b) {
  return {{b.data(), b.rows(), b.cols(), b.ld()}, b.owner()};
}

}  // namespace

template <class T>
template <class Visit>
void Network<T>::Impl::in_sequences(MatrixView<const T> x, MatrixView<const T> y, Index times,
                                    const Poll& poll, const T* weight, Visit&& visit) {
  const Index sequences = x.rows / times;
  const Index most = std::min(sequences, std::max(Index{1}, most_rows / times));
  reserve(most * times);
  batch_.x = x;
  batch_.y = y;
  batch_.weight = weight;
  std::vector<Index> rows;
  const WhenGuard<T> when(checks_, [&](int layer) { return time_of(layer, times); });
  for (Index first = 0; first < sequences; first += most) {
    if (asks_to_stop(poll)) throw Interrupted();
    const Index n = std::min(most, sequences - first);
    fill_rows(rows, nullptr, first, n, times);
    batch_.n = n * times;
    batch_.order = rows.data();
    recurrent_->go(RecurrentLayer<T>::Way::look, times);
    forward(batch_);
    visit(first, n);
  }
}

template <class T>
void Network<T>::forward_sequences(MatrixView<const T> x, std::int64_t times, MatrixView<T> out,
                                   const Poll& poll) {
  impl_->check_sequences("forward_sequences", x, nullptr, times);
  const Layer<T>& top = impl_->layers_.back();
  check_matrix("forward_sequences", "out", out, x.rows, top.n_out);
  Session<T> session(*impl_);
  const SpareBuffers<T> spare(impl_->pass_);
  impl_->in_sequences(x, {}, times, poll, nullptr, [&](Index first, Index n) {
    impl_->error(impl_->batch_, false);
    put_rows(top.h, first, n, times, out);
  });
}

template <class T>
EpochResult Network<T>::evaluate_sequences(MatrixView<const T> x, MatrixView<const T> y,
                                           std::int64_t times, const Poll& poll, const T* weight) {
  impl_->check_sequences("evaluate_sequences", x, &y, times);
  check_weights("evaluate_sequences", weight, static_cast<const Index*>(nullptr), x.rows);
  Session<T> session(*impl_);
  const SpareBuffers<T> spare(impl_->pass_);
  EpochResult result;
  impl_->in_sequences(x, y, times, poll, weight, [&](Index, Index) {
    impl_->error(impl_->batch_, false);
    impl_->batch_.add_to(result);
  });
  conclude(result, {}, weight, nullptr, result.examples);
  return result;
}

template <class T>
void Network<T>::deltas_sequences(MatrixView<const T> x, MatrixView<const T> y, std::int64_t times,
                                  MatrixView<T> out, const std::vector<FeedbackSpec>* feedback,
                                  std::optional<RecurrentFeedback> through, const Poll& poll,
                                  const T* weight) {
  impl_->check_sequences("deltas_sequences", x, &y, times);
  check_weights("deltas_sequences", weight, static_cast<const Index*>(nullptr), x.rows);
  RecurrentLayer<T>& layer = *impl_->recurrent_;
  check_matrix("deltas_sequences", "out", out, x.rows, layer.n_out);
  const RecurrentSpec& spec = layer.spec.recurrent;
  const bool own = !through || (!spec.matrix && spec.feedback == *through);
  if (!own && *through == RecurrentFeedback::random) {
    refuse(std::string("[deltas_sequences] recurrent_feedback was 'random'; the layer has '") +
           impl_->recurrent_feedback_name() + "', and so no such matrix");
  }
  LearningRule<T> other;  // destroyed after the locks are released, as in deltas()
  Feedback<T> another{};
  another.spec.matrix = through == RecurrentFeedback::transpose ? Matrix::transpose : Matrix::zero;
  Session<T> session(*impl_);
  if (feedback) other = make_rule<T>(*impl_->backend_, *feedback, 0.0, impl_->spec_);
  LearningRule<T>& rule = feedback ? other : impl_->rule_;
  const SpareBuffers<T> spare(impl_->pass_);
  const ExchangeGuard<Feedback<T>*> back(impl_->in_time_, own ? &impl_->b_rec_ : &another);
  impl_->prepare(rule);
  impl_->in_sequences(x, y, times, poll, weight, [&](Index first, Index n) {
    impl_->compute_deltas(rule, impl_->batch_, static_cast<int>(impl_->recurrent_at_));
    put_rows(layer.delta, first, n, times, out);
  });
}

template <class T>
OwnedMatrix<T> Network<T>::Impl::recurrent_feedback_array() {
  const Index n = recurrent_->n_out;
  const Buffer<T> b(*backend_, n, n);
  if (b_rec_.matrix) b_rec_.matrix->prepare(time_context());
  const typename RecurrentLayer<T>::Carry carry = carry_in_time();
  if (carry) write_products(*backend_, b, partial_.data(), carry);
  return {transposed(b), b.owner()};
}

template <class T>
int Network<T>::recurrent_layer() const {
  return impl_->recurrent_ ? impl_->layers_.number(impl_->recurrent_at_) : -1;
}

template <class T>
void Network<T>::reset() {
  if (!impl_->recurrent_) {
    refuse("[reset] the network has no recurrent layer, and so no state");
  }
  const Session<T> session(*impl_);
  impl_->pass_.drop();
  impl_->recurrent_->reset();
}

template <class T>
void Network<T>::begin_state(std::int64_t examples) {
  if (!impl_->recurrent_) {
    refuse("[begin_state] the network has no recurrent layer, and so no state");
  }
  if (examples < 1 || examples >= largest) {
    refuse("[begin_state] examples was " + std::to_string(examples) + "; it must be positive");
  }
  const Session<T> session(*impl_);
  impl_->pass_.drop();
  impl_->recurrent_->begin(*impl_->backend_, examples);
  impl_->recurrent_->begin_traces(*impl_->backend_);
}

template <class T>
OwnedMatrix<T> Network<T>::state() const {
  if (!impl_->recurrent_) return {};
  const Session<T> session(*impl_);
  return owned(impl_->recurrent_->state());
}

template <class T>
OwnedMatrix<T> Network<T>::traces() const {
  if (!impl_->recurrent_) return {};
  const Session<T> session(*impl_);
  impl_->recurrent_->settle(*impl_->backend_);
  return owned(impl_->recurrent_->traces());
}

template <class T>
OwnedMatrix<T> Network<T>::past_inputs() const {
  if (!impl_->recurrent_) return {};
  const Session<T> session(*impl_);
  return owned(impl_->recurrent_->past());
}

#define FASTFA_INSTANTIATE(T)                                                                          \
  template void Network<T>::forward_sequences(MatrixView<const T>, std::int64_t, MatrixView<T>,        \
                                              const Poll&);                                            \
  template EpochResult Network<T>::evaluate_sequences(MatrixView<const T>, MatrixView<const T>,        \
                                                      std::int64_t, const Poll&, const T*);            \
  template void Network<T>::deltas_sequences(MatrixView<const T>, MatrixView<const T>, std::int64_t,   \
                                             MatrixView<T>, const std::vector<FeedbackSpec>*,          \
                                             std::optional<RecurrentFeedback>, const Poll&, const T*); \
  template OwnedMatrix<T> Network<T>::Impl::recurrent_feedback_array();                                \
  template int Network<T>::recurrent_layer() const;                                                    \
  template void Network<T>::reset();                                                                   \
  template void Network<T>::begin_state(std::int64_t);                                                 \
  template OwnedMatrix<T> Network<T>::state() const;                                                   \
  template OwnedMatrix<T> Network<T>::traces() const;                                                  \
  template OwnedMatrix<T> Network<T>::past_inputs() const
FASTFA_INSTANTIATE(float);
FASTFA_INSTANTIATE(double);

}  // namespace fastfa
