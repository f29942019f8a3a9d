// A device: each operation is a kernel or two in the order of one stream. The same code drives a GPU and
// the emulated device.
#pragma once

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "cuda/activate.cuh"
#include "cuda/after_product.cuh"
#include "cuda/apply_gradient.cuh"
#include "cuda/blas_choice.cuh"
#include "cuda/dense_forward.cuh"
#include "cuda/dense_update.cuh"
#include "cuda/draw.cuh"
#include "cuda/dropout.cuh"
#include "cuda/gather.cuh"
#include "cuda/launch.cuh"
#include "cuda/next_batch.cuh"
#include "cuda/output.cuh"
#include "cuda/patch_backend.cuh"
#include "cuda/propagate.cuh"
#include "cuda/propagate_bits.cuh"
#include "cuda/propagate_hadamard.cuh"
#include "cuda/propagate_pairs.cuh"
#include "cuda/propagate_procedural.cuh"
#include "cuda/propagate_sign.cuh"
#include "cuda/propagate_sparse.cuh"
#include "cuda/row_dots.cuh"
#include "cuda/tally.cuh"
#include "cuda/times_slope.cuh"
#include "cuda/tiny_together.cuh"
#include "cuda/transpose.cuh"

namespace fastfa::cuda {

template <class T>
class CudaBackend final : public PatchBackend<T> {
 public:
  explicit CudaBackend(int ordinal) : PatchBackend<T>(ordinal) {}

  void begin(bool) override { device_->make_current(); }
  void end() override {
    try {
      device_->wait();
    } catch (const std::exception&) {  // the next wait() throws it; end() may not, it also runs while
                                       // unwinding
    }
  }
  bool immediate() const override { return false; }
  void wait() override { device_->wait(); }
  double pace() const override { return 2e12; }
  double step_cost() const override { return 4e7; }  // 20 µs
  Index block_rows() const override { return 1024; }
  std::shared_ptr<void> allocate(std::size_t bytes) override {
    ++allocations_;
    return device_->allocate(bytes);
  }

  void use_stream(std::uintptr_t handle) override { device_->use_stream(handle); }
  std::uintptr_t stream() const override { return device_->stream(); }
  void wait_for(std::uintptr_t handle) override { device_->wait_for(handle); }

  bool can_record() const override { return records_; }
  Index allocations() const override {
    return allocations_ + (blas_choice_ ? blas_choice_->moves() : 0);
  }
  void begin_record(ReplayState* replay) override {
    device_->begin_record();
    replay_ = replay;
  }
  std::shared_ptr<void> end_record() override {
    replay_ = nullptr;
    return device_->end_record();
  }
  void replay(const std::shared_ptr<void>& recording) override { device_->replay(recording); }
  void next_batch(ReplayState* replay, Index n, Index* order) override {
    device_->require("next_batch", replay, order);
    device_->launch("next_batch", grid_of(1), plain(), cuda::next_batch, replay, n, order);
  }

  bool reaches(const void* data, std::size_t bytes) const override {
    return device_->reaches(data, bytes);
  }
  const void* readable(int slot, const void* data, std::size_t bytes) override {
    if (device_->reaches(data, bytes)) return data;
    Scratch& kept = input_copies_[slot];
    if (kept.bytes < bytes) {
      kept = {};  // first: there may not be room for both
      kept = {device_->reserve(bytes), bytes};
    }
    device_->copy(kept.memory.get(), data, bytes);
    return kept.memory.get();
  }

  void clear(T* values, Index count) override {
    device_->require("clear", values);
    device_->clear(values, static_cast<std::size_t>(count) * sizeof(T));
  }
  void copy(const T* from, T* to, Index count) override {
    device_->require("copy", from, to);
    device_->copy(to, from, static_cast<std::size_t>(count) * sizeof(T));
  }
  void copy_rows(View<const T> from, View<T> to, Index rows, Index cols) override {
    const auto bytes = [](Index count) { return static_cast<std::size_t>(count) * sizeof(T); };
    device_->require("copy_rows", from, to);
    device_->copy_rows(to.data, bytes(to.ld), from.data, bytes(from.ld), bytes(cols),
                       static_cast<std::size_t>(rows));
  }
  void gather(const Gather<T>& g) override {
    device_->require("gather", g.x, g.order, g.h, g.bad);
    device_->launch("gather", grid_for(g.n * g.cols), plain(), cuda::gather<T>, g);
  }
  void dense_forward(const DenseForward<T>& f) override {
    device_->require("dense_forward", f.h, f.w, f.bias, f.a, f.bad);
    const auto own = [&] {
      with_tile<T>(f.n, f.n_out, tf32_, [&](auto size, dim3 grid, dim3 block) {
        device_->launch("dense_forward", grid, block, cuda::dense_forward<T, decltype(size)>, f);
      });
    };
    const Index depth = f.ranges.count > 0 ? f.n_in : 0;  // without ranges the input is zero
    const Product<T> product{f.n, f.n_out, depth, f.h, false, f.w, false, f.a};
    either(product, own, [&] {
      blas_choice_->multiply(product, in_tf32(product));
      device_->launch("finish_forward", grid_for(f.n * f.n_out), plain(), cuda::finish_forward<T>, f);
    });
  }
  void output(const Output<T>& o) override {
    device_->require("output", o.a, o.y, o.order, o.delta, o.loss_rows, o.wrong, o.bad, o.weight,
                     o.weight_rows);
    device_->launch("output", grid_of(ceil_div(o.n, output_rows)), block_of(warp, output_rows),
                    cuda::output<T>, o);
  }

  void propagate(const Propagate<T>& p) override {
    require("propagate", p, p.b);
    const auto own = [&] {
      with_tile<T>(p.n, p.n_l, tf32_, [&](auto size, dim3 grid, dim3 block) {
        using Size = decltype(size);
        if (p.transposed) {
          device_->launch("propagate_transposed", grid, block, cuda::propagate_transposed<T, Size>, p);
        } else {
          device_->launch("propagate", grid, block, cuda::propagate<T, Size>, p);
        }
      });
    };
    const Product<T> product{p.n, p.n_l, p.n_src, p.source, false, p.b, p.transposed != 0, p.delta};
    either(product, own, [&] {
      blas_choice_->multiply(product, in_tf32(product));
      times_slope(end_of<T>(p));
    });
  }
  void propagate(const PropagateSign<T>& p) override {
    require("propagate_sign", p, p.w, p.magnitude);
    device_->launch("propagate_sign", small_grid(p), block_of(SmallTile::threads),
                    cuda::propagate_sign<T>, p);
  }
  void propagate(const PropagateBits<T>& p) override {
    require("propagate_bits", p, p.positive, p.kept);
    device_->launch("propagate_bits", small_grid(p), block_of(SmallTile::threads),
                    cuda::propagate_bits<T>, p);
  }
  void propagate(const PropagatePairs<T>& p) override {
    require("propagate_pairs", p, p.b);
    device_->launch("propagate_pairs", small_grid(p), block_of(SmallTile::threads),
                    cuda::propagate_pairs<T>, p);
  }
  void propagate(const PropagateProcedural<T>& p) override {
    require("propagate_procedural", p);
    device_->launch("propagate_procedural",
                    grid_of(ceil_div(p.n_l, procedural_units), ceil_div(p.n, procedural_examples)),
                    block_of(procedural_units), cuda::propagate_procedural<T>, p);
  }
  void propagate(const PropagateSparse<T>& p) override {
    require("propagate_sparse", p, p.start, p.column, p.value, p.across);
    device_->launch("propagate_sparse",
                    grid_of(ceil_div(p.n_l, rows_of_warps), least(ceil_div(p.n, warp), Index{64})),
                    warps(), cuda::propagate_sparse<T>, p);
  }
  void propagate(const PropagateHadamard<T>& p) override {
    require("propagate_hadamard", p, p.row, p.column, p.sign, p.work);
    // In `work` there is room for max_row_chunks examples at a time.
    const Index blocks =
        p.order <= hadamard_shared ? least(p.n, Index{2048}) : least(p.n, max_row_chunks);
    device_->launch("propagate_hadamard", grid_of(blocks), plain(), cuda::propagate_hadamard<T>, p);
  }
  void times_slope(const TimesSlope<T>& g) override {
    device_->require("times_slope", g.delta, g.h, g.factor, g.bad);
    device_->launch("times_slope", grid_for(g.n * g.cols), plain(), cuda::times_slope<T>, g);
  }
  void activate(const Activate<T>& p) override {
    device_->require("activate", p.h, p.slope);
    device_->launch("activate_with_slope", grid_for(p.n * p.cols), plain(), cuda::activate_with_slope<T>,
                    p);
  }
  void apply_gradient(const ApplyGradient<T>& u) override {
    device_->require("apply_gradient", u.gradient, u.w, u.v, u.s, u.halted);
    device_->launch("apply_gradient", grid_for(u.count), plain(), cuda::apply_gradient<T>, u);
  }

  void transpose(const Transpose<T>& t) override {
    device_->require("transpose", t.x, t.to);
    device_->launch("transpose", grid_of(ceil_div(t.n, warp), ceil_div(t.cols, warp)),
                    block_of(warp, transpose_rows), cuda::transpose<T>, t);
  }
  void draw(const Draw<T>& d) override {
    device_->require("draw", d.out, d.a, d.bad);
    device_->launch("draw", grid_for(ceil_div(d.rows, 4) * d.cols), plain(), cuda::draw<T>, d,
                    recorded());
  }
  void dropout(const Dropout<T>& d) override {
    device_->require("dropout", d.x, d.to);
    device_->launch("dropout", grid_for(ceil_div(d.rows, 4) * d.cols), plain(), cuda::dropout<T>, d,
                    recorded());
  }
  void row_dots(const RowDots<T>& d) override {
    device_->require("row_dots", d.x, d.y, d.out);
    device_->launch("row_dots", grid_of(ceil_div(d.n, rows_of_warps)), warps(), cuda::row_dots<T>, d);
  }
  void tally(const Tally& t) override {
    device_->require("tally", t.loss_rows, t.wrong, t.flags, t.halted, t.loss_sum, t.wrong_sum,
                     t.weight_rows, t.missed_sum);
    device_->launch("tally", grid_of(1), block_of(warp), cuda::tally, t, replay_);
  }

  void dense_update(const DenseUpdate<T>& u) override {
    device_->require("dense_update", u.h, u.delta, u.w, u.v, u.s, u.bias, u.v_bias, u.s_bias, u.mask,
                     u.halted);
    const auto own = [&](const DenseUpdate<T>& update) {
      with_tile<T>(u.n_in, u.n_out, tf32_, [&](auto size, dim3 grid, dim3 block) {
        using Size = decltype(size);
        const auto* replay = recorded();
        if (u.n > k_block) {
          device_->launch("dense_update", grid, block, cuda::dense_update<T, Size, true>, update,
                          replay);
        } else {
          device_->launch("dense_update", grid, block, cuda::dense_update<T, Size, false>, update,
                          replay);
        }
      });
    };
    if (!blas_choice_) return own(u);
    Product<T> product{u.n_in, u.n_out, u.n, u.h, true, u.delta, false, {nullptr, u.w.ld}};
    const bool tf32 = in_tf32(product);
    std::shared_ptr<void> memory;
    DenseUpdate<T> rehearsal = u;
    if (replay_ && !blas_choice_->has_room(u.n_in, u.w.ld, u.n)) return own(u);
    try {
      product.c.data = blas_choice_->gradient(u.n_in, u.w.ld, u.n);
      if (blas_choice_->undecided(product, tf32) && !replay_) {
        rehearsal = blas_choice_->rehearsal(u, memory);
      }
    } catch (const std::bad_alloc&) {  // other layers have had their update: so must this one
      return own(u);
    }
    const auto theirs = [&](const DenseUpdate<T>& update) {
      double* const before = u.n > blas_part ? blas_choice_->before() : nullptr;
      for (Index n = 0; n < u.n; n += blas_part) {
        Product<T> part = product;
        part.a = u.h.from(n);
        part.b = u.delta.from(n);
        part.depth = least(u.n - n, blas_part);
        blas_choice_->multiply(part, tf32);
        if (n + part.depth == u.n) break;
        device_->launch("add_part", grid_for(u.n_in * u.n_out), plain(), cuda::add_part<T>,
                        View<const T>(product.c), u.n_in, u.n_out, before, n == 0);
      }
      device_->launch("finish_update", grid_for(u.n_in * u.n_out), plain(), cuda::finish_update<T>,
                      update, static_cast<const T*>(product.c.data), static_cast<const double*>(before),
                      recorded());
      if (!u.bias) return;
      device_->launch("finish_update_bias", grid_of(ceil_div(u.n_out, warp)), block_of(warp, bias_warps),
                      cuda::finish_update_bias<T>, update, recorded());
    };
    if (memory) blas_choice_->decide(product, tf32, [&] { own(rehearsal); }, [&] { theirs(rehearsal); });
    blas_choice_->forms(product, tf32) ? theirs(u) : own(u);
  }

  bool use_tf32(bool on) override {
    tf32_ = on && sizeof(T) == 4;
    return tf32_ == on;
  }
  void use_cublas(const std::string& path, bool always) override {
    using Use = typename BlasChoice<T>::Use;
    blas_choice_ =
        std::make_unique<BlasChoice<T>>(device_, path, always ? Use::always : Use::where_faster);
  }
  bool runs_tiny() const override { return true; }
  void tiny_run(const TinyRun<T>& run) override { tiny_together(&run, 1); }
  void tiny_together(const TinyRun<T>* runs, Index count) override {
    cuda::tiny_together(*device_, tiny_, runs, count);
  }

  // The core asks first whether there are any.
  bool tiny_forward(const TinyStep<T>&) override { return false; }
  bool tiny_feedback(const TinyStep<T>&) override { return false; }
  void tiny_update(const TinyStep<T>&) override { throw std::logic_error("[cuda] no tiny_update"); }
  void lane_run(const LaneRun<T>&) override { throw std::logic_error("[cuda] lane_run isn't there"); }
  Index lanes() const override { return 0; }

 private:
  using PatchBackend<T>::device_, PatchBackend<T>::replay_, PatchBackend<T>::rows_of_warps,
      PatchBackend<T>::recorded;

  static const char* environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
  }
  bool in_tf32(const Product<T>& p) const {
    return tf32_ && p.rows >= enough_for_tensors && p.cols >= enough_for_tensors;
  }
  // Does an operation with this product our way or the library's. Both may be done again and again.
  template <class Own, class Theirs>
  void either(const Product<T>& p, Own&& own, Theirs&& theirs) {
    if (!blas_choice_) return own();
    const bool tf32 = in_tf32(p);
    if (blas_choice_->undecided(p, tf32) && !replay_) blas_choice_->decide(p, tf32, own, theirs);
    blas_choice_->forms(p, tf32) ? theirs() : own();
  }
  static dim3 plain() { return block_of(plain_threads); }
  static dim3 warps() { return block_of(warp, rows_of_warps); }
  static dim3 small_grid(const FeedbackProduct<T>& p) {
    return grid_of(ceil_div(p.n_l, SmallTile::cols), ceil_div(p.n, SmallTile::rows));
  }
  template <class... P>
  void require(const char* name, const FeedbackProduct<T>& p, const P&... more) const {
    device_->require(name, p.source, p.h, p.delta, p.bad, more...);
  }

  std::unique_ptr<BlasChoice<T>> blas_choice_;  // null: all products are our own
  Scratch input_copies_[8];
  Scratch tiny_;  // what tiny_run is told, and tells
  Index allocations_ = 0;
  bool tf32_ = false;
  bool records_ = std::string(environment("FASTFA_CUDA_GRAPHS")) != "0";
};

}  // namespace fastfa::cuda
