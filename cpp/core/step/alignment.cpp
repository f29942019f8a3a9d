// The instruments: how a network's own deltas, and what carries them, compare with backprop's on a probe
// batch.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/network/network_impl.h"

namespace fastfa {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr Index cheap_inverse = 256;  // rows or columns of a W whose pseudoinverse costs little
constexpr Index slice_rows = 256;

double degrees(double xy, double xx, double yy) {
  if (!(xx > 0 && yy > 0)) return nan;
  const double cosine = xy / (std::sqrt(xx) * std::sqrt(yy));
  return std::acos(std::max(-1.0, std::min(1.0, cosine))) * 180.0 / 3.14159265358979323846;
}

// x·y, x·x and y·y of two matrices, row by row and in all.
struct Dots {
  std::vector<double> rows;  // three for each row
  double xy = 0, xx = 0, yy = 0;

  template <class T>
  Dots(Backend<T>& backend, const Buffer<T>& x, const Buffer<T>& y, Index n, Index cols)
      : rows(static_cast<std::size_t>(3 * n)) {
    const Buffer<double> out(backend, 1, 3 * n);
    backend.row_dots({n, x, cols, y, out.data()});
    backend.wait();
    std::copy_n(out.data(), 3 * n, rows.data());
    for (std::size_t r = 0; r < rows.size(); r += 3) {
      xy += rows[r];
      xx += rows[r + 1];
      yy += rows[r + 2];
    }
  }
  double angle() const { return degrees(xy, xx, yy); }

  // Of the angles of rows that have one.
  void mean_angle(double& mean, double& sd) const {
    double sum = 0, squares = 0, n = 0;
    for (std::size_t r = 0; r < rows.size(); r += 3) {
      const double angle = degrees(rows[r], rows[r + 1], rows[r + 2]);
      if (std::isnan(angle)) continue;
      sum += angle;
      ++n;
    }
    mean = n > 0 ? sum / n : nan;
    for (std::size_t r = 0; r < rows.size(); r += 3) {
      const double angle = degrees(rows[r], rows[r + 1], rows[r + 2]);
      if (!std::isnan(angle)) squares += (angle - mean) * (angle - mean);
    }
    sd = n > 0 ? std::sqrt(squares / n) : nan;
  }
};

// Two buffers are exchanged while it lives.
template <class T>
class Exchanged {
 public:
  Exchanged(Buffer<T>& a, Buffer<T>& b) : a_(a), b_(b) { std::swap(a_, b_); }
  ~Exchanged() { std::swap(a_, b_); }
  Exchanged(const Exchanged&) = delete;
  Exchanged& operator=(const Exchanged&) = delete;

 private:
  Buffer<T>&a_, &b_;
};

template <class T>
class Instruments {
 public:
  using Impl = typename Network<T>::Impl;
  Instruments(Impl& net, Index n, const Poll& poll)
      : net_(net),
        n_(n),
        hidden_(net.layers_.weighted() - 1),
        poll_(poll),
        ignored_(*net.backend_, 1, 1) {}

  std::vector<LayerAlignment> measure(const AlignmentChoice& choice) {
    collect(choice.pseudo);
    std::vector<LayerAlignment> result(hidden_);
    for (std::size_t i = 0; i < hidden_; ++i) {
      stop_if_asked();
      LayerAlignment& a = result[i];
      const std::size_t l = net_.layers_.place(i);
      compare_deltas(l, a, i >= lowest_pbp_);
      a.gradient_angle = choice.gradient ? gradient_angle(l) : nan;
      a.weight_angle = a.trace_bw = a.trace_abe = a.descent = a.descent_positive = nan;
      const Index led_to = net_.layers_[net_.layers_.landing(i)].n_out;
      a.neuron_angles.assign(static_cast<std::size_t>(led_to), nan);
    }
    if (choice.matrices && net_.rule_.perturbation.sigma == 0) compare_matrices(result);
    return result;
  }

 private:
  using Deltas = std::vector<Buffer<T>>;  // of the hidden layers, pooling included
  Impl& net_;
  Index n_;
  std::size_t hidden_;  // layers with weights
  const Poll& poll_;
  std::size_t lowest_pbp_ = 0;  // of those
  Buffer<double> dots_;
  Buffer<int> ignored_;  // the range flag of products that only instruments need, whatever their size

  // Own deltas, then those of bp and pbp on the same activations.
  void collect(int pseudo) {
    Batch<T>& batch = net_.batch_;
    net_.prepare(net_.rule_);
    net_.forward(batch);
    net_.compute_deltas(net_.rule_, batch, 0);
    net_.probe_.reserve(*net_.backend_, batch.capacity(), net_.layers_);
    keep(net_.probe_.own, 0);
    if (net_.rule_.perturbation.sigma > 0) {  // its pass left no error behind
      net_.forward(batch);
      net_.error(batch, true);
    }
    run(Matrix::transpose, 0, net_.probe_.bp);
    lowest_pbp_ = hidden_;
    while (pseudo != 0 && lowest_pbp_ > 0) {
      const Layer<T>& above = net_.layers_.with_weights(lowest_pbp_);
      if (!above.pattern->full || (pseudo < 0 && !is_cheap(above))) break;
      --lowest_pbp_;
    }
    if (lowest_pbp_ < hidden_) run(Matrix::pseudoinverse, lowest_pbp_, net_.probe_.pbp);
    net_.checks_.raise_pending();
  }
  static bool is_cheap(const Layer<T>& above) {
    return std::min(above.n_in, above.n_out) <= cheap_inverse;
  }
  void run(Matrix matrix, std::size_t lowest, Deltas& to) {
    std::vector<FeedbackSpec> specs(hidden_);
    for (std::size_t l = 0; l < hidden_; ++l) specs[l].matrix = l < lowest ? Matrix::zero : matrix;
    LearningRule<T> how = make_rule<T>(*net_.backend_, specs, 0.0, net_.spec_);
    net_.prepare(how);
    const std::size_t from = lowest == 0 ? 0 : net_.layers_.place(lowest);
    net_.feedback(how.feedback, net_.batch_, static_cast<int>(from));
    keep(to, from);
  }
  void keep(Deltas& to, std::size_t lowest) {
    for (std::size_t l = lowest; l + 1 < net_.layers_.size(); ++l) {
      std::swap(to[l], net_.layers_[l].delta);
    }
  }

  void compare_deltas(std::size_t l, LayerAlignment& a, bool has_pbp) {
    const Index units = net_.layers_[l].n_out;
    const Dots bp(*net_.backend_, net_.probe_.own[l], net_.probe_.bp[l], n_, units);
    bp.mean_angle(a.angle_bp, a.angle_bp_sd);
    a.angle_bp_layer = bp.angle();
    double own = 0, reference = 0;
    for (std::size_t r = 0; r < bp.rows.size(); r += 3) {
      own += std::sqrt(bp.rows[r + 1]);
      reference += std::sqrt(bp.rows[r + 2]);
    }
    a.norm_ratio = reference > 0 ? own / reference : nan;
    a.angle_pbp = a.angle_pbp_sd = nan;
    if (!has_pbp) return;
    Dots(*net_.backend_, net_.probe_.own[l], net_.probe_.pbp[l], n_, units)
        .mean_angle(a.angle_pbp, a.angle_pbp_sd);
  }

  // δᵀh ∠ δ_bpᵀh, by whichever way is shorter.
  double gradient_angle(std::size_t l) {
    if (net_.layers_[l].pattern->count() < net_.layers_[l].n_out * net_.layers_[l].pattern->fan_in) {
      return angle_of_kernels(l);
    }
    const Index below = l == 0 ? net_.spec_.inputs : net_.layers_[l - 1].n_out,
                own = net_.layers_[l].n_out;
    return n_ * (below + 2 * own) > 2 * below * own ? angle_of_gradients(l) : angle_by_examples(l);
  }
  // Both matrices, hᵀδ (n_in, n_l), formed and compared.
  double angle_of_gradients(std::size_t l) {
    const Buffer<T>& h = l == 0 ? net_.batch_.input : net_.layers_[l - 1].h;
    const std::vector<ColumnRange>& inputs = l == 0 ? net_.all_inputs_ : net_.layers_[l - 1].units;
    const auto gradient = [&](const Buffer<T>& delta) {
      stop_if_asked();
      const Parameters<T> g{Buffer<T>(*net_.backend_, h.cols(), delta.cols()), {}, {}, {}};
      net_.backend_->dense_update(g.dense_step(sum_of_gradients<T>(), n_, h, inputs, delta));
      return g.w;
    };
    const Buffer<T> own = gradient(net_.probe_.own[l]), bp = gradient(net_.probe_.bp[l]);
    return Dots(*net_.backend_, own, bp, own.rows(), own.cols()).angle();
  }
  // The same for a convolution, whose layer computes its gradient.
  double angle_of_kernels(std::size_t l) {
    Layer<T>& layer = net_.layers_[l];
    const Buffer<T>& h = l == 0 ? net_.batch_.input : net_.layers_[l - 1].h;
    const auto gradient = [&](Buffer<T>& delta) {
      stop_if_asked();
      const Parameters<T> g{layer.pattern->make(*net_.backend_), {}, {}, {}};
      const Exchanged now(layer.delta, delta);
      layer.learn(*net_.backend_, sum_of_gradients<T>(), h, net_.all_inputs_, n_, g);
      net_.backend_->wait();
      return g.w;
    };
    const Buffer<T> own = gradient(net_.probe_.own[l]), bp = gradient(net_.probe_.bp[l]);
    return Dots(*net_.backend_, own, bp, own.rows(), own.cols()).angle();
  }
  // With H = h hᵀ, made in slices of rows, (δᵀh)·(δ′ᵀh) = Σ (H δ)∘δ′.
  double angle_by_examples(std::size_t l) {
    const Buffer<T>& h = l == 0 ? net_.batch_.input : net_.layers_[l - 1].h;
    const std::vector<ColumnRange>& inputs = l == 0 ? net_.all_inputs_ : net_.layers_[l - 1].units;
    const Buffer<T>&own = net_.probe_.own[l], &bp = net_.probe_.bp[l], &sum = net_.layers_[l].delta;
    const Buffer<T> slice(*net_.backend_, std::min(n_, slice_rows), n_);
    const std::vector<ColumnRange> examples = all_columns(n_);
    double xy = 0, xx = 0, yy = 0;
    for (Index r0 = 0; r0 < n_; r0 += slice_rows) {
      stop_if_asked();
      const Index rows = std::min(slice_rows, n_ - r0);
      multiply(h.from(r0), rows, inputs, h.cols(), h, 1, n_, slice);
      multiply(slice, rows, examples, n_, own, 0, own.cols(), sum);
      xx += dot(sum, own, r0, rows);
      xy += dot(sum, bp, r0, rows);
      multiply(slice, rows, examples, n_, bp, 0, bp.cols(), sum);
      yy += dot(sum, bp, r0, rows);
    }
    return degrees(xy, xx, yy);
  }
  void stop_if_asked() const {
    if (asks_to_stop(poll_)) throw Interrupted();
  }
  // to (rows, cols) = x (rows, depth) · b, b being (depth, cols) or, transposed, (cols, depth)
  void multiply(View<const T> x, Index rows, Ranges ranges, Index depth, View<const T> b, int transposed,
                Index cols, View<T> to) {
    net_.backend_->propagate(Propagate<T>{{rows, x, depth, ranges, cols, to, Activation::linear, to,
                                           net_.partial_.data(), ignored_.data()},
                                          b,
                                          transposed});
  }
  // Σ x[r]·y[r0 + r]
  double dot(const Buffer<T>& x, const Buffer<T>& y, Index r0, Index rows) {
    if (dots_.cols() < 3 * rows) dots_ = Buffer<double>(*net_.backend_, 1, 3 * rows);
    net_.backend_->row_dots({rows, x, y.cols(), y.from(r0), dots_.data()});
    net_.backend_->wait();
    double sum = 0;
    for (Index r = 0; r < rows; ++r) sum += dots_.data()[3 * r];
    return sum;
  }

  void compare_matrices(std::vector<LayerAlignment>& result) {
    // (W_{l+1}ᵀ ⋯ W_Lᵀ)ᵀ, (n_out, n_l), with pooling's derivatives in it; empty: there is no such matrix
    Buffer<T> chain;
    for (std::size_t i = hidden_; i-- > 0;) {
      const Layer<T>& above = net_.layers_.with_weights(i + 1);
      const bool layerwise = net_.own_feedback(i).spec.route == Route::layerwise;
      Buffer<T> w;  // W (n_source of layerwise, n_l)
      if (layerwise || i + 1 == hidden_) {
        w = Buffer<T>(*net_.backend_, above.n_out, above.n_in);
        above.pattern->write_matrix(*net_.backend_, above.w, w, net_.partial_.data());
      }
      chain = i + 1 == hidden_ ? w : down_to(i, chain);
      const Buffer<T>& ideal = layerwise ? w : chain;
      if (ideal) compare_matrix(net_.layers_.landing(i), ideal, result[i]);
    }
  }
  // The chain one layer further. That of max pooling is another one for each example.
  Buffer<T> down_to(std::size_t i, Buffer<T> chain) {
    const std::size_t lowest = net_.layers_.place(i + 1);
    for (std::size_t l = net_.layers_.landing(i + 1); chain && l > lowest; --l) {
      const bool largest = net_.layers_[l].spec.local.patches == Patches::max;
      chain = largest ? Buffer<T>() : times_w(chain, net_.layers_[l]);
    }
    return chain ? times_w(chain, net_.layers_[lowest]) : chain;
  }
  Buffer<T> times_w(const Buffer<T>& chain, const Layer<T>& above) {
    const Buffer<T> next(*net_.backend_, chain.rows(), above.n_in);
    above.pattern->send_back(*net_.backend_,
                             {chain.rows(), chain, above.n_out, above.units, above.n_in, next,
                              Activation::linear, next, net_.partial_.data(), ignored_.data()},
                             above.w);
    return next;
  }

  // B against `ideal`, Wᵀ or the chain of them, which is (n_source, n_l) as Bᵀ is.
  void compare_matrix(std::size_t l, const Buffer<T>& ideal, LayerAlignment& a) {
    Feedback<T>& f = net_.rule_.feedback[l];
    Layer<T>& layer = net_.layers_[l];
    Buffer<T> b = f.matrix ? f.matrix->stored() : Buffer<T>();
    if (!b) {
      b = Buffer<T>(*net_.backend_, f.n_source, layer.n_out);
      write_matrix(f.matrix.get(), net_.feedback_context(l), b, net_.partial_.data());
    }
    const Dots dots(*net_.backend_, b, ideal, b.rows(), b.cols());
    a.weight_angle = dots.angle();
    a.trace_bw = dots.xy;
    a.neuron_angles = column_angles(b, ideal);

    // p = B δ_s and q = Wᵀδ (or the chain's), without slopes
    const bool layerwise = f.spec.route == Route::layerwise;
    const bool hidden_source = layerwise && l + 2 < net_.layers_.size();
    FeedbackProduct<T> product = net_.feedback_product(f, l, net_.batch_);
    const Buffer<T>& error = hidden_source ? net_.probe_.own[l + 1] : net_.layers_.back().delta;
    if (f.spec.route != Route::target) product.source = error;
    product.activation = Activation::linear;
    product.bad = ignored_.data();
    const Buffer<T>&p = layer.delta, &q = net_.probe_.pbp[l];  // no longer needed
    if (f.matrix) {
      f.matrix->propagate(product, net_.feedback_context(l));
    } else {
      net_.backend_->clear(p.data(), n_ * p.ld());
    }
    product.source = error;
    product.delta = q;
    net_.backend_->propagate(Propagate<T>{product, ideal, 0});
    const Dots pq(*net_.backend_, p, q, n_, layer.n_out),
        hp(*net_.backend_, layer.h, p, n_, layer.n_out);
    const auto examples = static_cast<double>(n_);
    double positive = 0;
    for (std::size_t r = 0; r < pq.rows.size(); r += 3) positive += pq.rows[r] > 0;
    a.descent = pq.xy / examples;
    a.descent_positive = positive / examples;
    a.trace_abe = hp.xy / examples;
  }

  static std::vector<double> column_angles(const Buffer<T>& x, const Buffer<T>& y) {
    const auto n = static_cast<std::size_t>(x.cols());
    std::vector<double> xy(n), xx(n), yy(n);
    for (Index r = 0; r < x.rows(); ++r) {
      const T *a = x.row(r), *b = y.row(r);
      for (std::size_t c = 0; c < n; ++c) {
        const double u = a[c], v = b[c];
        xy[c] += u * v;
        xx[c] += u * u;
        yy[c] += v * v;
      }
    }
    for (std::size_t c = 0; c < n; ++c) xy[c] = degrees(xy[c], xx[c], yy[c]);
    return xy;
  }
};

}  // namespace

template <class T>
std::vector<LayerAlignment> Network<T>::Impl::alignment(MatrixView<const T> x, MatrixView<const T> y,
                                                        const AlignmentChoice& choice,
                                                        const Poll& poll) {
  if (layers_.size() < 2) return {};
  reserve(x.rows);
  set_batch(x, y, 0, x.rows);
  return Instruments<T>(*this, x.rows, poll).measure(choice);
}

template std::vector<LayerAlignment> Network<float>::Impl::alignment(MatrixView<const float>,
                                                                     MatrixView<const float>,
                                                                     const AlignmentChoice&,
                                                                     const Poll&);
template std::vector<LayerAlignment> Network<double>::Impl::alignment(MatrixView<const double>,
                                                                      MatrixView<const double>,
                                                                      const AlignmentChoice&,
                                                                      const Poll&);

}  // namespace fastfa
