// The CPU: kernels of the best instruction set at hand, their tiles shared out to the thread team.
#include <algorithm>
#include <type_traits>

#include "core/machine/backend.h"
#include "core/machine/buffer.h"
#include "core/machine/isa.h"
#include "core/machine/thread_team.h"
#include "kernels/bf16_conv_layout.h"

namespace fastfa {
namespace {

// The kernels of float32 or those of float64, whichever T is.
template <class T, class Float, class Double>
const auto& for_type(const Float& f32, const Double& f64) {
  if constexpr (std::is_same_v<T, float>) {
    return f32;
  } else {
    return f64;
  }
}

template <class T>
class CpuBackend final : public Backend<T> {
 public:
  void begin(bool alone) override {
    if (!alone) team_ = ThreadTeam::instance();
  }
  void end() override { team_.reset(); }

  std::shared_ptr<void> allocate(std::size_t bytes) override { return host_allocator().allocate(bytes); }
  bool immediate() const override { return true; }
  void wait() override {}
  double pace() const override { return 1e10; }
  Index block_rows() const override { return 128; }
  const void* readable(int, const void* data, std::size_t) override { return data; }

  void clear(T* values, Index count) override { std::fill_n(values, count, T(0)); }
  void copy(const T* from, T* to, Index count) override { std::copy_n(from, count, to); }
  void gather(const Gather<T>& args) override { run(kernels_.gather, args); }
  void dense_forward(const DenseForward<T>& args) override {
    const RoundFactor<T> left{args.h, args.n, args.ranges, false, {}};
    if (did_in_bf16(&Bf16Set::dense_forward, args, left, args.n_in, args.n_out)) return;
    run(kernels_.dense_forward, args);
  }
  void output(const Output<T>& args) override { run(kernels_.output, args); }
  void propagate(const Propagate<T>& args) override {
    send_back(kernels_.propagate, &Bf16Set::propagate, args);
  }
  void propagate(const PropagateSign<T>& args) override {
    send_back(kernels_.propagate_sign, &Bf16Set::propagate_sign, args);
  }
  void propagate(const PropagateBits<T>& args) override {
    send_back(kernels_.propagate_bits, &Bf16Set::propagate_bits, args);
  }
  void propagate(const PropagatePairs<T>& args) override {
    send_back(kernels_.propagate_pairs, &Bf16Set::propagate_pairs, args);
  }
  void propagate(const PropagateProcedural<T>& args) override {
    send_back(kernels_.propagate_procedural, &Bf16Set::propagate_procedural, args);
  }
  void propagate(const PropagateSparse<T>& args) override { run(kernels_.propagate_sparse, args); }
  void propagate(const PropagateHadamard<T>& args) override { run(kernels_.propagate_hadamard, args); }
  void times_slope(const TimesSlope<T>& args) override { run(kernels_.times_slope, args); }
  void activate(const Activate<T>& args) override { run(kernels_.activate, args); }
  void apply_gradient(const ApplyGradient<T>& args) override { run(kernels_.apply_gradient, args); }
  void transpose(const Transpose<T>& args) override { run(kernels_.transpose, args); }
  void draw(const Draw<T>& args) override { run(kernels_.draw, args); }
  void dropout(const Dropout<T>& args) override { run(kernels_.dropout, args); }
  void row_dots(const RowDots<T>& args) override { run(kernels_.row_dots, args); }
  void tally(const Tally&) override {}  // the host adds up each step's losses
  void dense_update(const DenseUpdate<T>& args) override {
    const RoundFactor<T> left{args.h, args.n, args.ranges, true, {}};
    if (did_in_bf16(&Bf16Set::dense_update, args, left, args.n_in, args.n_out)) return;
    run(kernels_.dense_update, args);
  }
  void dense_online(const DenseOnline<T>& args) override { run(kernels_.dense_online, args); }
  void local_forward(const LocalForward<T>& args) override {
    lay_across(args);
    run(kernels_.local_forward, args);
  }
  void local_back(const LocalBack<T>& args) override { run(kernels_.local_back, args); }
  void local_update(const LocalUpdate<T>& args) override {
    lay_across(args);
    run(kernels_.local_update, args);
  }
  typename Backend<T>::ConvRoom conv_room(const LocalShape& s, Index) const override {
    // Of what is too small for bf16, and of what isn't.
    const Index forward = bf16_ ? forward_room_in_bf16(s) : 0, back = bf16_ ? back_room_in_bf16(s) : 0;
    return {std::max(forward_room<T>(s), forward), std::max(back_room<T>(s), back), conv_blocks};
  }
  void conv_forward(const ConvForward<T>& args) override {
    const bool enough = forward_in_bf16(args.shape, args.n);
    if (convolved(enough, args, &Bf16ConvSet::weights, &Bf16ConvSet::forward)) return;
    if (by_winograd<T>(args.shape)) run(conv_.conv_weights, args);
    run(conv_.conv_forward, args);
  }
  void conv_back(const ConvBack<T>& args) override {
    const bool enough = back_in_bf16(args.shape, args.n);
    if (convolved(enough, args, &Bf16ConvSet::turn, &Bf16ConvSet::back)) return;
    run(conv_.conv_turn, args);
    run(conv_.conv_back, args);
  }
  void conv_update(const ConvUpdate<T>& args) override {
    const bool enough = forward_in_bf16(args.shape, args.n);
    if (!convolved(enough, args, &Bf16ConvSet::gradient)) run(conv_.conv_gradient, args);
    run(conv_.conv_learn, args);
  }
  void pool_forward(const PoolForward<T>& args) override { run(conv_.pool_forward, args); }
  void pool_back(const PoolBack<T>& args) override { run(conv_.pool_back, args); }
  bool use_bf16(bool on) override {
    if (std::is_same_v<T, float>) bf16_ = on ? &bf16_products() : nullptr;
    return on == (bf16_ != nullptr);
  }
  void tiny_run(const TinyRun<T>& args) override { kernels_.tiny_run(args); }
  bool tiny_forward(const TinyStep<T>& args) override { return kernels_.tiny_forward(args); }
  bool tiny_feedback(const TinyStep<T>& args) override { return kernels_.tiny_feedback(args); }
  void tiny_update(const TinyStep<T>& args) override { kernels_.tiny_update(args); }
  void lane_run(const LaneRun<T>& args) override { kernels_.lane_run(args); }
  void recurrent_forward(const RecurrentForward<T>& args) override {
    run(recurrent_.recurrent_forward, args);
  }
  void recurrent_back(const RecurrentBack<T>& args) override { run(recurrent_.recurrent_back, args); }
  void recurrent_trace(const RecurrentTrace<T>& args) override { run(recurrent_.recurrent_trace, args); }
  void recurrent_run(const RecurrentRun<T>& args) override { recurrent_.recurrent_run(args); }
  Index lanes() const override { return kernels_.lanes; }

 private:
  template <class Args>
  void lay_across(const Args& f) {
    if (kernels_.local_by_rows(f.shape)) return;
    transpose({f.n, f.x, f.shape.inputs(), f.x_across});
  }
  // For a product of the left factor (n, k) with a matrix (k, cols). If bf16 was asked for, and the
  // product is large enough, it is formed in bf16, and the result is true. Else nothing is done.
  template <class Pack, class Args>
  bool did_in_bf16([[maybe_unused]] Op<WithBf16<Pack>> Bf16Set::* op, [[maybe_unused]] const Args& args,
                   [[maybe_unused]] RoundFactor<T> left, [[maybe_unused]] Index k,
                   [[maybe_unused]] Index cols) {
    if constexpr (std::is_same_v<T, float>) {
      if (!bf16_ || std::min({left.n, k, cols}) < bf16_least) return false;
      // Room for the left factor either way round: a step's update then never waits for memory.
      const Index room = std::max(bf16_size(left.n, k), bf16_size(k, left.n));
      if (!left_ || left_.cols() < room) left_ = Buffer<Bf16>(host_allocator(), 1, room);
      left.to = {left_.data(), bf16_ld(left.across ? left.n : k)};
      run(bf16_->round_factor, left);
      run(bf16_->*op, {args, left.to});
      return true;
    }
    return false;
  }
  // The same of a convolution that is large enough or isn't.
  template <class Args, class... Ops>
  bool convolved([[maybe_unused]] bool enough, [[maybe_unused]] const Args& args,
                 [[maybe_unused]] Ops Bf16ConvSet::*... ops) {
    if constexpr (std::is_same_v<T, float>) {
      if (!bf16_ || !enough) return false;
      (run(bf16_->conv->*ops, args), ...);
      return true;
    }
    return false;
  }
  template <class Args, class Pack>
  void send_back(const Op<Args>& op, Op<WithBf16<Pack>> Bf16Set::* in_bf16, const Args& args) {
    const RoundFactor<T> left{args.source, args.n, args.ranges, false, {}};
    if (!did_in_bf16(in_bf16, args, left, args.n_src, args.n_l)) run(op, args);
  }
  template <class Args>
  void run(const Op<Args>& op, const Args& args) {
    if (team_) {
      team_->run(op.tiles(args), [&](int begin, int end) { op.run(args, begin, end); });
    } else {
      op.run(args, 0, op.tiles(args));
    }
    if (op.finish) op.finish(args);
  }

  const KernelSet<T>& kernels_ = for_type<T>(kernels().f32, kernels().f64);
  const ConvSet<T>& conv_ = for_type<T>(*kernels().conv_f32, *kernels().conv_f64);
  const RecurrentSet<T>& recurrent_ = for_type<T>(*kernels().recurrent_f32, *kernels().recurrent_f64);
  const Bf16Set* bf16_ = nullptr;  // null: products are formed in T
  Buffer<Bf16> left_;              // the left factor of a product
  std::shared_ptr<ThreadTeam> team_;
};

}  // namespace

template <class T>
std::unique_ptr<Backend<T>> make_cpu_backend() {
  return std::make_unique<CpuBackend<T>>();
}
template std::unique_ptr<Backend<float>> make_cpu_backend<float>();
template std::unique_ptr<Backend<double>> make_cpu_backend<double>();

}  // namespace fastfa
