// The pass that a step in parts keeps, from its forward pass until the network learns in another way.
#pragma once

#include <utility>
#include <vector>

#include "core/layers/layers.h"
#include "core/network/batch.h"

namespace fastfa {

// How far a step in parts has come.
enum class Stage : int { none, forward, feedback, done };

template <class T>
class StagedPass {
 public:
  StagedPass(Layers<T>& layers, Batch<T>& batch) : layers_(layers), batch_(batch) {}

  Stage stage() const { return stage_; }
  void reach(Stage stage) { stage_ = stage; }
  void drop() { stage_ = Stage::none; }

  // Exchanges the buffers of the pass with the spare ones.
  void exchange() {
    spare_.resize(layers_.size());
    for (std::size_t l = 0; l < layers_.size(); ++l) layers_[l].exchange(spare_[l]);
    std::swap(batch_, spare_batch_);
  }

 private:
  Layers<T>& layers_;
  Batch<T>& batch_;
  Stage stage_ = Stage::none;
  std::vector<Pass<T>> spare_;  // of each layer
  Batch<T> spare_batch_;
};

// For calls that compute without learning: while it lives, the layers and the batch have spare buffers
// if their usual ones keep a pass.
template <class T>
class SpareBuffers {
 public:
  explicit SpareBuffers(StagedPass<T>& pass) : pass_(pass.stage() == Stage::none ? nullptr : &pass) {
    if (pass_) pass_->exchange();
  }
  ~SpareBuffers() {
    if (pass_) pass_->exchange();
  }
  SpareBuffers(const SpareBuffers&) = delete;
  SpareBuffers& operator=(const SpareBuffers&) = delete;

 private:
  StagedPass<T>* pass_;
};

}  // namespace fastfa
