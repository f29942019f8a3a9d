// Published rules by name, as python/fastfa/rules.py has them.
#include "core/base/messages.h"

namespace fastfa {

FeedbackSpec preset(const std::string& name) {
  FeedbackSpec f;
  if (name == "fa") return f;
  if (name == "bp") {
    f.matrix = Matrix::transpose;
  } else if (name == "dfa") {
    f.route = Route::direct;
  } else if (name == "drtp") {
    f.route = Route::target;
  } else if (name == "shallow") {
    f.matrix = Matrix::zero;
  } else if (name == "sparse_fa") {
    f.matrix = Matrix::sparse;
    f.density = 0.5;
  } else if (name == "usf" || name == "brsf" || name == "frsf") {
    f.matrix = Matrix::sign;
    f.magnitude = name == "usf"    ? Magnitude::uniform
                  : name == "brsf" ? Magnitude::redrawn
                                   : Magnitude::fixed;
  } else if (name == "kp") {
    f.plasticity = Plasticity::kolen_pollack;
  } else if (name == "dkp") {
    f.route = Route::direct;
    f.plasticity = Plasticity::kolen_pollack;
  } else if (name == "wm") {
    f.plasticity = Plasticity::weight_mirror;
  } else if (name == "pbp") {
    f.matrix = Matrix::pseudoinverse;
  } else {
    refuse("[preset] name was '" + name +
           "'; it must be one of 'bp', 'fa', 'dfa', 'drtp', 'shallow', 'sparse_fa', 'usf', 'brsf', "
           "'frsf', 'kp', 'dkp', 'wm', 'pbp'");
  }
  return f;
}

}  // namespace fastfa
