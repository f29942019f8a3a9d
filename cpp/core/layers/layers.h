#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "core/layers/layer.h"

namespace fastfa {

// The layers of a network, from the lowest to the output.
template <class T>
class Layers {
 public:
  void add(std::unique_ptr<Layer<T>> layer) { layers_.push_back(std::move(layer)); }
  std::size_t size() const { return layers_.size(); }
  bool empty() const { return layers_.empty(); }
  Layer<T>& operator[](std::size_t l) { return *layers_[l]; }
  const Layer<T>& operator[](std::size_t l) const { return *layers_[l]; }
  const Layer<T>& at(std::size_t l) const { return *layers_.at(l); }
  Layer<T>& at(std::size_t l) { return *layers_.at(l); }
  Layer<T>& back() { return *layers_.back(); }
  const Layer<T>& back() const { return *layers_.back(); }

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
};

}  // namespace fastfa
