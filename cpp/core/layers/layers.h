#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/layers/layer.h"

namespace fastfa {

// The layers of a network, from the lowest to the output.
template <class T>
class Layers {
 public:
  void add(std::unique_ptr<Layer<T>> layer) {
    if (layer->pattern->count() > 0) weighted_.push_back(layers_.size());
    layers_.push_back(std::move(layer));
  }
  std::size_t size() const { return layers_.size(); }
  bool empty() const { return layers_.empty(); }
  Layer<T>& operator[](std::size_t l) { return *layers_[l]; }
  const Layer<T>& operator[](std::size_t l) const { return *layers_[l]; }
  const Layer<T>& at(std::size_t l) const { return *layers_.at(l); }
  Layer<T>& at(std::size_t l) { return *layers_.at(l); }
  Layer<T>& back() { return *layers_.back(); }
  const Layer<T>& back() const { return *layers_.back(); }

  // Users count only layers with weights: how many there are, and where the i-th is in this list.
  std::size_t weighted() const { return weighted_.size(); }
  std::size_t place(std::size_t i) const { return weighted_.at(i); }
  // The layer whose δ the i-th B computes: the one just below the next layer with weights.
  std::size_t landing(std::size_t i) const { return weighted_.at(i + 1) - 1; }
  Layer<T>& with_weights(std::size_t i) { return *layers_[place(i)]; }
  const Layer<T>& with_weights(std::size_t i) const { return *layers_[place(i)]; }
  // The number of the layer at l, or of the one with weights below it; −1: there is none.
  int number(std::size_t l) const {
    return static_cast<int>(std::upper_bound(weighted_.begin(), weighted_.end(), l) -
                            weighted_.begin()) -
           1;
  }

  template <class L>
  struct Iterator {
    const std::unique_ptr<Layer<T>>* at;
    L& operator*() const { return **at; }
    Iterator& operator++() { return ++at, *this; }
    bool operator!=(const Iterator& other) const { return at != other.at; }
  };
  Iterator<Layer<T>> begin() { return {layers_.data()}; }
  Iterator<Layer<T>> end() { return {layers_.data() + layers_.size()}; }
  Iterator<const Layer<T>> begin() const { return {layers_.data()}; }
  Iterator<const Layer<T>> end() const { return {layers_.data() + layers_.size()}; }

 private:
  std::vector<std::unique_ptr<Layer<T>>> layers_;
  std::vector<std::size_t> weighted_;
};

}  // namespace fastfa
