// Decompositions for feedback matrices, by Eigen: the only matrices here that aren't ours to multiply. A
// file of its own, since these templates take longer to compile than all kernels together.
#include <Eigen/QR>

#include "kernels/linear_algebra.h"

namespace fastfa {
namespace {
using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
}

// Rank-revealing, so it is right for any matrix, of low rank or zero.
static Eigen::MatrixXd inverse_of(const Eigen::MatrixXd& matrix) {
  return Eigen::CompleteOrthogonalDecomposition<Eigen::MatrixXd>(matrix).pseudoInverse();
}

// Of a matrix with rows ≥ cols. A narrow one is first reduced to a small square: A = Q R, A⁺ = R⁺ Qᵀ.
static Eigen::MatrixXd tall_inverse(const Eigen::MatrixXd& a) {
  if (a.rows() < 2 * a.cols()) return inverse_of(a.transpose()).transpose();
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(a);
  Eigen::MatrixXd q = Eigen::MatrixXd::Identity(a.rows(), a.cols());
  q.applyOnTheLeft(qr.householderQ());
  const Eigen::MatrixXd r = qr.matrixQR().topRows(a.cols()).triangularView<Eigen::Upper>();
  return inverse_of(r) * q.transpose();
}

void pseudoinverse(const double* w, Index rows, Index cols, double* out) {
  const Eigen::Map<const Rows> matrix(w, rows, cols);
  Eigen::Map<Rows> inverse(out, cols, rows);
  if (rows >= cols) {
    inverse = tall_inverse(matrix);
  } else {
    inverse = tall_inverse(matrix.transpose()).transpose();
  }
}

void orthonormalise(double* g, Index rows, Index cols) {
  Eigen::Map<Rows> matrix(g, rows, cols);
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(matrix);
  const Eigen::VectorXd sign =
      qr.matrixQR().diagonal().unaryExpr([](double r) { return r < 0 ? -1.0 : 1.0; });
  Eigen::MatrixXd q = Eigen::MatrixXd::Identity(rows, cols);
  q.applyOnTheLeft(qr.householderQ());
  matrix = q * sign.asDiagonal();
}

}  // namespace fastfa
