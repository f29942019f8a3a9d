// B ~ U(−scale, scale) that is never stored: drawn from the seed wherever it is used.
#include "core/matrices/feedback.h"

namespace fastfa {
namespace {

template <class T>
class ProceduralMatrix final : public FeedbackMatrix<T> {
 public:
  explicit ProceduralMatrix(const MatrixRequest& request)
      : scale_(static_cast<T>(request.scale)), seed_(request.seed), layer_(request.layer) {}

  void propagate(const FeedbackProduct<T>& product, const FeedbackContext<T>& context) override {
    context.backend.propagate(PropagateProcedural<T>{
        product, seed_, static_cast<std::uint32_t>(Purpose::feedback), scale_, layer_});
  }
  std::int64_t bytes() const override { return 0; }

 private:
  T scale_;
  std::uint64_t seed_;
  std::uint32_t layer_;
};

}  // namespace

template <class T>
MadeMatrix<T> make_procedural(const MatrixRequest& request) {
  return std::make_unique<ProceduralMatrix<T>>(request);
}
template MadeMatrix<float> make_procedural<float>(const MatrixRequest&);
template MadeMatrix<double> make_procedural<double>(const MatrixRequest&);

}  // namespace fastfa
