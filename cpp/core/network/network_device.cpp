// The calls of the public Network that are about devices: their memory, streams and libraries.
#include "core/base/sizes.h"
#include "core/network/checks.h"
#include "core/network/network_impl.h"

namespace fastfa {

template <class T>
void Network<T>::use_tf32(bool on) {
  Session<T> session(*impl_);
  if (!impl_->backend_->use_tf32(on)) {
    refuse("[Network] matmul_precision was 'tf32'; it must be 'float32' for a network on '" +
           impl_->spec_.device + "' of this dtype: TF32 is float32's on a GPU");
  }
  impl_->recorder_.drop();
}
template <class T>
void Network<T>::use_bf16(bool on) {
  Session<T> session(*impl_);
  if (!impl_->backend_->use_bf16(on)) {
    refuse("[Network] matmul_precision was 'bf16'; it must be 'float32' for a network on '" +
           impl_->spec_.device + "' of this dtype: bf16 is float32's on 'cpu'");
  }
}
template <class T>
void Network<T>::use_cublas(const std::string& path, bool always) {
  Session<T> session(*impl_);
  if (impl_->backend_->immediate()) {
    refuse("[Network] matmul_library was cuBLAS; it must be 'fastfa' for a network on 'cpu'");
  }
  try {
    impl_->backend_->use_cublas(path, always);
  } catch (const std::runtime_error& error) {
    throw DeviceError(std::string("[Network] matmul_library isn't to be had: ") + error.what());
  }
  impl_->recorder_.drop();
}
template <class T>
bool Network<T>::reaches(const void* data, std::size_t bytes) const {
  return impl_->backend_->reaches(data, bytes);
}
template <class T>
OwnedMatrix<T> Network<T>::allocate(std::int64_t rows, std::int64_t cols) {
  Session<T> session(*impl_);
  std::string where = "[allocate] a matrix of";
  const auto bytes = static_cast<std::size_t>(size_product(where, {rows, cols})) * sizeof(T);
  std::shared_ptr<void> memory = with_room([&] { return where; }, static_cast<double>(bytes),
                                           [&] { return impl_->backend_->allocate(bytes); });
  return {{static_cast<T*>(memory.get()), rows, cols, cols, 1}, memory};
}
template <class T>
void Network<T>::use_stream(std::uintptr_t stream) {
  Session<T> session(*impl_);
  if (impl_->backend_->immediate()) refuse("[use_stream] the network is on 'cpu'; it has no stream");
  impl_->backend_->wait();
  impl_->backend_->use_stream(stream);
  impl_->stream_ = impl_->backend_->stream();
}
template <class T>
std::uintptr_t Network<T>::stream() const {
  return impl_->stream_;
}
template <class T>
void Network<T>::wait_for(std::uintptr_t stream) {
  Session<T> session(*impl_);
  impl_->backend_->wait_for(stream);
}

template <class T>
void Network<T>::Impl::copy_out(const Buffer<T>& from, Index n, MatrixView<T> to, Index first) {
  T* const rows = to.data + first * to.row_stride;
  const auto bytes = static_cast<std::size_t>((n - 1) * to.row_stride + to.cols) * sizeof(T);
  if (n == 0 || backend_->immediate() || to.col_stride != 1 || !backend_->reaches(rows, bytes)) {
    return copy_rows(from, n, to, first);
  }
  backend_->copy_rows(from, {rows, to.row_stride}, n, to.cols);
}

#define FASTFA_INSTANTIATE(T)                                               \
  template void Network<T>::use_tf32(bool);                                 \
  template void Network<T>::use_bf16(bool);                                 \
  template void Network<T>::use_cublas(const std::string&, bool);           \
  template bool Network<T>::reaches(const void*, std::size_t) const;        \
  template OwnedMatrix<T> Network<T>::allocate(std::int64_t, std::int64_t); \
  template void Network<T>::use_stream(std::uintptr_t);                     \
  template std::uintptr_t Network<T>::stream() const;                       \
  template void Network<T>::wait_for(std::uintptr_t);                       \
  template void Network<T>::Impl::copy_out(const Buffer<T>&, Index, MatrixView<T>, Index)
FASTFA_INSTANTIATE(float);
FASTFA_INSTANTIATE(double);

}  // namespace fastfa
