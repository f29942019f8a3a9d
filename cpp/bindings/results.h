// What training came to, as Python gets it.
#pragma once

#include <pybind11/pybind11.h>

#include "fastfa/ensemble.h"

namespace fastfa {

inline pybind11::tuple as_tuple(const EpochResult& r) {
  return pybind11::make_tuple(r.loss, r.missed, r.weight);
}

// (loss, missed, weight) of each network, or the divergence that stopped it; other exceptions go on.
inline pybind11::list rows_of(const Together& done) {
  pybind11::list rows;
  for (std::size_t i = 0; i < done.results.size(); ++i) {
    if (!done.stopped[i]) {
      rows.append(as_tuple(done.results[i]));
      continue;
    }
    try {
      std::rethrow_exception(done.stopped[i]);
    } catch (const DivergenceError& error) {
      rows.append(pybind11::make_tuple(error.what(), error.layer(), error.step(), error.time()));
    }
  }
  return rows;
}

}  // namespace fastfa
