#include "core/matrices/feedback.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/base/messages.h"
#include "core/base/random.h"
#include "core/base/sizes.h"
#include "core/layers/expected_slope.h"
#include "core/layers/mask.h"
#include "fastfa/names.h"

namespace fastfa {
namespace {

using Units = std::vector<std::int64_t>;

[[noreturn]] void refuse_feedback(const std::string& message) { refuse("[Network] " + message); }

// The place of a B in the network.
struct Spot {
  std::size_t layer;      // in the list of all layers: the one whose δ it computes
  std::size_t number;     // of the hidden layer with weights that it belongs to
  std::size_t hidden;     // how many of these there are
  double passes;          // pooling between `layer` and that one multiplies errors' mean square by this
  double top_passes;      // the same for the last hidden layer
  std::string name, own;  // for messages: of B, and of the hidden layer
};

std::int64_t source_units(const FeedbackSpec& spec, const Spot& at, const Units& units) {
  return spec.route == Route::layerwise ? units[at.layer + 1] : units.back();
}
bool is_last(const Spot& at, const Units& units) { return at.layer + 2 == units.size(); }

bool to_neighbour(const FeedbackSpec& spec, const Spot& at, const Units& units) {
  return spec.route == Route::layerwise || (spec.route == Route::direct && is_last(at, units));
}

// Does B learn to be Wᵀ of a layer that lacks some of its weights? Then it lacks the same.
bool keeps_mask(const FeedbackSpec& spec, const Spot& at, const Units& units, const LayerSpec& above) {
  return spec.plasticity != Plasticity::fixed && to_neighbour(spec, at, units) && above.existing() < 1;
}

// Var(B) such that the mean square of δ_l = (B δ_source) ∘ σ′(a) is growth² times that of δ_source, and
// gain² as well where the source is the output. It is Var(B) · S · E[σ′²] times that of δ_source, S
// being how many sources a unit has: fewer where B has the pattern of a layer that isn't full. `slopes`
// are E[σ′²] of the layers. Pooling between B and its layer counts by its `passes`.
double equal_error_variance(const FeedbackSpec& spec, const Spot& at, const Units& units,
                            const LayerShape& above, const std::vector<double>& slopes) {
  auto sources = static_cast<double>(source_units(spec, at, units));
  if (is_patterned(spec, above)) {
    sources = static_cast<double>(above.n_out * above.fan_in) / static_cast<double>(above.n_in);
  }
  const double slope = at.passes * (spec.before_slope ? 1.0 : slopes[at.layer]);
  if (spec.route == Route::layerwise && !is_last(at, units)) {
    return spec.growth * spec.growth / (sources * slope);
  }
  const std::size_t top = units.size() - 2;
  const double growth = std::pow(spec.growth, static_cast<double>(at.hidden - 1 - at.number));
  if (spec.gain > 0) return spec.gain * spec.gain * growth * growth / (sources * slope);
  const auto n_out = static_cast<double>(units.back()), n_top = static_cast<double>(units[top]);
  const double gain = std::sqrt(n_out / (3.0 * n_top)),
               top_slope = at.top_passes * (spec.before_slope ? 1.0 : slopes[top]);
  return gain * gain * growth * growth * (top_slope / slope) / sources;
}

double scale_of(const FeedbackSpec& spec, const Spot& at, const Units& units, const LayerShape& above,
                double density, const std::vector<double>& slopes) {
  const double unit = unit_variance(spec) * density;
  if (unit == 0) return 0.0;
  return spec.equal_error ? std::sqrt(equal_error_variance(spec, at, units, above, slopes) / unit)
                          : spec.scale;
}

// The names of those that can learn: "'a', 'b' and 'c'".
std::string that_learn() {
  std::string all, last;
  for (const char* each : Names<Matrix>::list) {
    if (!traits_of(parse<Matrix>(each)).learns) continue;
    if (!last.empty()) all += (all.empty() ? "" : ", ") + last;
    last = std::string("'") + each + "'";
  }
  return all + " and " + last;
}

// Which B can be kept in bf16: whole matrices that don't change.
void check_in_bf16(const FeedbackSpec& spec, const std::string& here, const std::string& through,
                   const LayerShape& above) {
  if (!traits_of(spec.matrix).learns) {
    refuse_feedback(here + "storage 'bf16'; only " + that_learn() + " can be kept so");
  }
  if (spec.plasticity != Plasticity::fixed) {
    refuse_feedback(here + "storage 'bf16' and plasticity '" + name(spec.plasticity) +
                    "'; it must be 'fixed'");
  }
  if (is_patterned(spec, above)) {
    refuse_feedback(here + "storage 'bf16' and " + through +
                    "there B has an element for each weight, which are kept whole");
  }
}

// Which combinations of the three axes exist.
void check_combination(const FeedbackSpec& spec, const Spot& at, const Units& units,
                       const LayerShape& above) {
  const std::string here = at.name + " is '" + name(spec.matrix) + "' with ";
  const bool neighbour = to_neighbour(spec, at, units);
  const MatrixTraits& traits = traits_of(spec.matrix);
  if (traits.follows_weights && !neighbour) {
    refuse_feedback(here + "route '" + name(spec.route) +
                    "'; it follows the weights of the next layer up, so route must be 'layerwise'");
  }
  const std::string through = std::string("a ") + above.kind + " layer above; ";
  if (spec.matrix == Matrix::pseudoinverse && !above.full) {
    refuse_feedback(here + through + "the pseudoinverse is there for dense layers only");
  }
  if (spec.matrix == Matrix::sign && spec.magnitude == Magnitude::array && !above.full) {
    refuse_feedback(here + "magnitude 'array' and " + through + "it is there for dense layers only");
  }
  if (spec.in_bf16) check_in_bf16(spec, here, through, above);
  if (spec.plasticity == Plasticity::fixed) return;
  if (spec.plasticity == Plasticity::weight_mirror && !above.full) {
    refuse_feedback(here + "plasticity 'weight_mirror' and " + through +
                    "it is there for dense layers only");
  }
  const std::string plasticity = std::string("plasticity '") + name(spec.plasticity) + "'";
  if (!traits.learns) {
    refuse_feedback(here + plasticity + "; only " + that_learn() + " can learn");
  }
  if (spec.route == Route::target || (spec.plasticity == Plasticity::weight_mirror && !neighbour)) {
    refuse_feedback(here + plasticity + " and route '" + name(spec.route) +
                    "'; route must be 'layerwise'" +
                    (spec.plasticity == Plasticity::kolen_pollack ? " or 'direct'" : ""));
  }
}

void check_numbers(const FeedbackSpec& spec, const Spot& at, const Units& units) {
  const bool wants_density = traits_of(spec.matrix).density > 0;
  if (wants_density && !(spec.density > 0 && spec.density <= 1)) {
    refuse_feedback(at.name + ".density was " + text(spec.density) + "; it must be in (0, 1]");
  }
  const std::int64_t most = std::min(units[at.layer], source_units(spec, at, units));
  if (spec.matrix == Matrix::low_rank && (spec.rank < 1 || spec.rank > most)) {
    refuse_feedback(at.name + ".rank was " + std::to_string(spec.rank) + "; " + at.own + " has " +
                    std::to_string(units[at.layer]) + " units and its source " +
                    std::to_string(source_units(spec, at, units)) + ", so it must be in [1, " +
                    std::to_string(most) + "]");
  }
  if (spec.refresh < 1) {
    refuse_feedback(at.name + ".refresh was " + std::to_string(spec.refresh) +
                    "; it must be at least 1");
  }
  if (spec.matrix == Matrix::custom && !spec.propagator) {
    refuse_feedback(at.name + " is 'custom' without a propagator; it must have one");
  }
  if (!(spec.mirror_growth >= 0 && spec.mirror_growth <= 1 && spec.mirror_decay <= 1 &&
        (spec.mirror_growth > 0 || spec.mirror_decay != 0) && spec.mirror_noise >= 1e-9 &&
        spec.mirror_noise <= 1e6 && spec.mirror_every >= 1)) {
    refuse_feedback(
        at.name + "'s weight mirror has growth " + text(spec.mirror_growth) + ", decay " +
        text(spec.mirror_decay) + ", noise " + text(spec.mirror_noise) + ", every " +
        std::to_string(spec.mirror_every) +
        "; they must be in [0, 1], at most 1, in [1e-9, 1e6], and at least 1, and growth and decay "
        "not both 0");
  }
}

template <class T>
void check(const FeedbackSpec& spec, const Spot& at, const Units& units, const LayerShape& above) {
  check_combination(spec, at, units, above);
  check_numbers(spec, at, units);
  if (!(spec.scale >= 0 && spec.scale <= value_limit<T>)) {
    refuse_feedback(at.name + ".scale was " + text(spec.scale) + "; it must be at least 0 and at most " +
                    limit_text<T>());
  }
  if (!(spec.gain >= 0 && spec.gain <= value_limit<T>)) {
    refuse_feedback(at.name + ".gain was " + text(spec.gain) + "; it must be at least 0 and at most " +
                    limit_text<T>());
  }
  if (!(spec.growth > 0 && spec.growth <= value_limit<T>)) {
    refuse_feedback(at.name + ".growth was " + text(spec.growth) + "; it must be above 0 and at most " +
                    limit_text<T>());
  }
  if (!has_array(spec)) return;
  const std::int64_t n_l = units[at.layer], n_source = source_units(spec, at, units);
  const auto shape = [](std::int64_t r, std::int64_t c) {
    return "(" + std::to_string(r) + ", " + std::to_string(c) + ")";
  };
  if (spec.rows != n_l || spec.cols != n_source ||
      static_cast<std::int64_t>(spec.values.size()) != n_l * n_source) {
    refuse_feedback(at.name + ".array has shape " + shape(spec.rows, spec.cols) + "; " + at.own +
                    " has " + std::to_string(n_l) + " units and its source " + std::to_string(n_source) +
                    ", so it must be " + shape(n_l, n_source));
  }
  const bool signed_values = spec.matrix == Matrix::array;
  for (double value : spec.values) {
    if (std::abs(value) <= value_limit<T> && (signed_values || value >= 0)) continue;
    refuse_feedback(at.name + ".array has a value of " + text(value) + "; each must be " +
                    (signed_values ? "within ±" : "at least 0 and at most ") + limit_text<T>());
  }
}

template <class T>
std::vector<Spot> spots_of(const std::vector<LayerSpec>& layers,
                           const std::vector<std::unique_ptr<Pattern<T>>>& shapes) {
  std::vector<Spot> spots;
  double passes = 1.0;
  bool any = false;  // was there a layer with weights?
  for (std::size_t l = 0; l < layers.size(); ++l) {
    if (is_pooling(layers[l])) {
      passes *= shapes[l]->passes_on();
      continue;
    }
    if (any) {
      const std::string number = std::to_string(spots.size());
      spots.push_back(
          {l - 1, spots.size(), 0, passes, 1.0, "feedback[" + number + "]", "layer " + number});
    }
    any = true;
    passes = 1.0;
  }
  for (Spot& at : spots) {
    at.hidden = spots.size();
    at.top_passes = spots.back().passes;
  }
  return spots;
}

// Feedback through the pooling layer `above`: its derivative, as backprop has it.
template <class T>
Feedback<T> derivative(Allocator& allocator, const LayerSpec& above, const LayerShape& shape) {
  FeedbackSpec spec;
  spec.matrix = Matrix::transpose;
  const MatrixKind<T> kind = matrix_kind<T>(spec, shape);
  const MatrixRequest request{allocator, spec, above, shape.n_in, shape.n_out, 0.0, 0, 0};
  return {spec, kind.traits, 0.0, shape.n_out, kind.make(request), {}, {}, {}};
}

}  // namespace

double unit_variance(const FeedbackSpec& spec) {
  const auto variance = traits_of(spec.matrix).unit_variance;
  return variance ? variance(spec) : 0.0;
}

template <class T>
std::vector<Feedback<T>> make_feedback(Allocator& allocator, const std::vector<FeedbackSpec>& specs,
                                       std::int64_t inputs, const std::vector<LayerSpec>& layers,
                                       std::uint64_t seed, std::uint32_t first,
                                       const std::string& name) {
  std::vector<std::unique_ptr<Pattern<T>>> shapes;
  Units units;
  for (const LayerSpec& layer : layers) {
    shapes.push_back(make_pattern<T>(layer, units.empty() ? inputs : units.back()));
    units.push_back(shapes.back()->n_out);
  }
  std::vector<Spot> spots = spots_of(layers, shapes);
  for (Spot& at : spots) {
    if (name.empty()) break;
    at.name = name;
    at.own = "the layer";
  }
  if (specs.size() != spots.size()) {
    refuse_feedback("feedback has " + std::to_string(specs.size()) + " entries; the network has " +
                    std::to_string(spots.size()) + " hidden layers and needs one for each");
  }
  for (const Spot& at : spots) {
    const FeedbackSpec& spec = specs[at.number];
    const auto checked = spec.in_bf16 ? check<float> : check<T>;
    checked(spec, at, units, *shapes[at.layer + 1]);
  }

  const bool by_slope = std::any_of(specs.begin(), specs.end(), [](const FeedbackSpec& spec) {
    return unit_variance(spec) > 0 && spec.equal_error && !spec.before_slope;
  });
  const std::vector<double> slopes = by_slope ? expected_slopes(layers, inputs) : std::vector<double>();
  std::vector<Feedback<T>> made;
  for (const Spot& at : spots) {
    while (made.size() < at.layer) {
      made.push_back(derivative<T>(allocator, layers[made.size() + 1], *shapes[made.size() + 1]));
    }
    const FeedbackSpec& spec = specs[at.number];
    const Index n_l = units[at.layer], n_source = source_units(spec, at, units);
    const LayerShape& above = *shapes[at.layer + 1];
    const LayerSpec& next = layers[at.layer + 1];
    if (spec.plasticity == Plasticity::weight_mirror && next.activator) {
      refuse_feedback(at.name +
                      " has plasticity 'weight_mirror' below a layer with an activation of your own; it "
                      "must be another plasticity, or an activation of fastfa's");
    }
    if (spec.plasticity == Plasticity::weight_mirror && is_recurrent(next)) {
      refuse_feedback(
          at.name +
          " has plasticity 'weight_mirror' below a recurrent layer, which answers noise with "
          "its state; it must be another plasticity");
    }
    const bool masked = keeps_mask(spec, at, units, next);
    const double scale = scale_of(spec, at, units, above, masked ? next.existing() : 1, slopes);
    const std::uint32_t stream = first + static_cast<std::uint32_t>(at.number);
    if (!(scale <= value_limit<T>)) {
      refuse_feedback(at.name + "'s scale came out at " + text(scale) + "; it must be at most " +
                      limit_text<T>() +
                      ": a smaller gain or growth or a larger density makes it smaller");
    }
    const MatrixKind<T> kind = matrix_kind<T>(spec, above);
    Feedback<T> f{spec, kind.traits, scale, n_source, nullptr, {}, {}, {}};
    std::vector<double>().swap(f.spec.values);  // arrays may be large, and the matrix has them
    const double bytes = static_cast<double>(spec.in_bf16 ? 2 : sizeof(T)) * static_cast<double>(n_l) *
                         static_cast<double>(n_source);
    with_room(
        [&] { return "[Network] " + at.name; }, bytes,
        [&] { f.matrix = kind.make({allocator, spec, next, n_l, n_source, scale, seed, stream}); });
    if (masked) {
      f.mask = Buffer<std::uint32_t>(allocator, n_source, (n_l + 31) / 32);
      for_existing(next, n_source, n_l, seed, stream + 1,
                   [&](Index o, Index i) { f.mask.row(o)[i / 32] |= std::uint32_t{1} << i % 32; });
      clear_removed(f.mask, f.matrix->learned());
    }
    made.push_back(std::move(f));
  }
  return made;
}

template <class T>
void write_matrix(FeedbackMatrix<T>* matrix, const FeedbackContext<T>& context, const Buffer<T>& to,
                  T* partial) {
  if (!matrix) return context.backend.clear(to.data(), to.rows() * to.ld());
  write_products(context.backend, to, partial,
                 [&](const FeedbackProduct<T>& product) { matrix->propagate(product, context); });
}

template std::vector<Feedback<float>> make_feedback(Allocator&, const std::vector<FeedbackSpec>&,
                                                    std::int64_t, const std::vector<LayerSpec>&,
                                                    std::uint64_t, std::uint32_t, const std::string&);
template std::vector<Feedback<double>> make_feedback(Allocator&, const std::vector<FeedbackSpec>&,
                                                     std::int64_t, const std::vector<LayerSpec>&,
                                                     std::uint64_t, std::uint32_t, const std::string&);
template void write_matrix(FeedbackMatrix<float>*, const FeedbackContext<float>&, const Buffer<float>&,
                           float*);
template void write_matrix(FeedbackMatrix<double>*, const FeedbackContext<double>&,
                           const Buffer<double>&, double*);

}  // namespace fastfa
