// The kinds of matrix, a row each: what is known of them by their names, and who makes them.
#include <iterator>

#include "core/matrices/feedback.h"
#include "fastfa/names.h"

namespace fastfa {

template <class T>
MadeMatrix<T> make_stored(const MatrixRequest&);
template <class T>
MadeMatrix<T> make_transpose(const MatrixRequest&);
template <class T>
MadeMatrix<T> make_pseudoinverse(const MatrixRequest&);
template <class T>
MadeMatrix<T> make_sign(const MatrixRequest&);
template <class T>
MadeMatrix<T> make_sparse(const MatrixRequest&);
template <class T>
MadeMatrix<T> make_low_rank(const MatrixRequest&);
template <class T>
MadeMatrix<T> make_bits(const MatrixRequest&);
template <class T>
MadeMatrix<T> make_hadamard(const MatrixRequest&);
template <class T>
MadeMatrix<T> make_procedural(const MatrixRequest&);
template <class T>
MadeMatrix<T> make_custom(const MatrixRequest&);
template <class T>
MadeMatrix<T> make_patterned(const MatrixRequest&);

namespace {

template <class T>
MadeMatrix<T> make_nothing(const MatrixRequest&) {
  return nullptr;
}

// Variances at scale 1.
double of_uniform(const FeedbackSpec&) { return 1.0 / 3.0; }
double of_normal(const FeedbackSpec&) { return 1.0; }
double of_sparse(const FeedbackSpec& spec) { return spec.density / 3.0; }
double of_ternary(const FeedbackSpec& spec) { return spec.density; }
double of_sign(const FeedbackSpec& spec) {
  if (spec.magnitude == Magnitude::array) return 0.0;  // the array itself says how large B is
  return spec.magnitude == Magnitude::uniform ? 1.0 : 1.0 / 3.0;
}

constexpr bool yes = true, no = false;

// In the order of Matrix. The columns are MatrixTraits: variance and density; learns, follows W, reads W
// before the forward pass; runs on the host, is stored dense, of W's pattern, code. Then who makes it.
// clang-format off
template <class T>
constexpr MatrixKind<T> kinds[] = {
    {Matrix::transpose,     {nullptr,    0.0,     no,  yes, no,  no,  no,  yes, no }, make_transpose<T>},
    {Matrix::pseudoinverse, {nullptr,    0.0,     no,  yes, yes, yes, no,  no,  no }, make_pseudoinverse<T>},
    {Matrix::sign,          {of_sign,    0.0,     no,  yes, no,  no,  no,  yes, no }, make_sign<T>},
    {Matrix::uniform,       {of_uniform, 0.0,     yes, no,  no,  no,  yes, yes, no }, make_stored<T>},
    {Matrix::normal,        {of_normal,  0.0,     yes, no,  no,  no,  yes, no,  no }, make_stored<T>},
    {Matrix::orthogonal,    {of_normal,  0.0,     yes, no,  no,  no,  yes, no,  no }, make_stored<T>},
    {Matrix::sparse,        {of_sparse,  0.5,     no,  no,  no,  no,  no,  no,  no }, make_sparse<T>},
    {Matrix::low_rank,      {of_normal,  0.0,     no,  no,  no,  no,  no,  no,  no }, make_low_rank<T>},
    {Matrix::binary,        {of_normal,  0.0,     no,  no,  no,  no,  no,  no,  no }, make_bits<T>},
    {Matrix::ternary,       {of_ternary, 2.0 / 3, no,  no,  no,  no,  no,  no,  no }, make_bits<T>},
    {Matrix::hadamard,      {of_normal,  0.0,     no,  no,  no,  no,  no,  no,  no }, make_hadamard<T>},
    {Matrix::procedural,    {of_uniform, 0.0,     no,  no,  no,  no,  no,  no,  no }, make_procedural<T>},
    {Matrix::array,         {nullptr,    0.0,     yes, no,  no,  no,  yes, no,  no }, make_stored<T>},
    {Matrix::zero,          {nullptr,    0.0,     no,  no,  no,  no,  no,  no,  no }, make_nothing<T>},
    {Matrix::custom,        {nullptr,    0.0,     no,  no,  no,  yes, no,  no,  yes}, make_custom<T>},
};
// clang-format on

constexpr bool in_order() {
  for (std::size_t i = 0; i < std::size(kinds<float>); ++i) {
    if (static_cast<std::size_t>(kinds<float>[i].matrix) != i) return false;
  }
  return std::size(kinds<float>) == std::size(Names<Matrix>::list);
}
static_assert(in_order(), "a row for each name of Matrix, in their order");

}  // namespace

const MatrixTraits& traits_of(Matrix matrix) { return kinds<float>[static_cast<int>(matrix)].traits; }

bool is_patterned(const FeedbackSpec& spec, const LayerShape& above) {
  const MatrixTraits& traits = traits_of(spec.matrix);
  if (above.full || !traits.of_pattern) return false;
  return traits.follows_weights || spec.route == Route::layerwise;
}

template <class T>
MatrixKind<T> matrix_kind(const FeedbackSpec& spec, const LayerShape& above) {
  MatrixKind<T> kind = kinds<T>[static_cast<int>(spec.matrix)];
  if (spec.in_bf16) kind.traits.learns = kind.traits.stored_dense = false;
  const bool fits = spec.matrix == Matrix::transpose || !is_patterned(spec, above);
  if (fits) return kind;
  kind.make = make_patterned<T>;
  if (spec.matrix == Matrix::sign) {  // the host takes the signs in prepare()
    kind.traits.reads_weights_before_forward = kind.traits.runs_on_host = true;
  }
  return kind;
}
template MatrixKind<float> matrix_kind(const FeedbackSpec&, const LayerShape&);
template MatrixKind<double> matrix_kind(const FeedbackSpec&, const LayerShape&);

}  // namespace fastfa
