// Networks trained side by side on the same examples.
#pragma once

#include <exception>
#include <vector>

#include "fastfa/network.h"

namespace fastfa {

struct Together {
  std::vector<EpochResult> results;         // of each network
  std::vector<std::exception_ptr> stopped;  // why a network stopped early; null: it did not
};

// Each network learns as its own train_epoch would, with its own optimizer, to rounding: as many at a
// time as there are threads, and tiny ones of a kind side by side in the lanes of vectors. A network
// that diverges stops, the others go on. Networks are told apart by address: none may be there twice.
template <class T>
FASTFA_API Together train_together(const std::vector<Network<T>*>& networks, MatrixView<const T> x,
                                   MatrixView<const T> y, const std::vector<Optimizer>& optimizers,
                                   std::int64_t batch_size, const std::int64_t* order, std::int64_t n,
                                   const Poll& poll = {});
// The same with a weight for each example of X, as in Network::train_epoch(); null: all 1.
template <class T>
FASTFA_API Together train_together(const std::vector<Network<T>*>& networks, MatrixView<const T> x,
                                   MatrixView<const T> y, const std::vector<Optimizer>& optimizers,
                                   std::int64_t batch_size, const std::int64_t* order, std::int64_t n,
                                   const Poll& poll, const T* sample_weight);

// All networks learn from the same sequences. Each ends as if its own train_sequences() had been called.
template <class T>
FASTFA_API Together train_sequences_together(const std::vector<Network<T>*>& networks,
                                             MatrixView<const T> x, MatrixView<const T> y,
                                             const SequencePlan& plan,
                                             const std::vector<Optimizer>& optimizers, const Poll& poll,
                                             const T* weight);

}  // namespace fastfa
