#include "core/layers/geometry.h"

#include "core/base/messages.h"
#include "core/base/sizes.h"

namespace fastfa {

LocalShape geometry(const LocalSpec& s) {
  LocalShape k{s.channels, s.height,   s.width, s.maps, s.kernel_h, s.kernel_w,
               s.stride_h, s.stride_w, 0,       0,      0,          0};
  const auto fit = [&](Index size, Index kernel, Index stride, Index& pad, Index& out) {
    out = s.same ? (size + stride - 1) / stride : size < kernel ? 0 : (size - kernel) / stride + 1;
    const Index missing = (out - 1) * stride + kernel - size;
    pad = s.same && missing > 0 ? missing / 2 : 0;
  };
  fit(s.height, s.kernel_h, s.stride_h, k.pad_h, k.out_h);
  fit(s.width, s.kernel_w, s.stride_w, k.pad_w, k.out_w);
  return k;
}

LocalShape check_geometry(const LayerSpec& layer, std::int64_t n_in, const std::string& where) {
  const LocalSpec& s = layer.local;
  if (s.channels < 1 || s.height < 1 || s.width < 1 || s.maps < 1 || s.kernel_h < 1 || s.kernel_w < 1 ||
      s.stride_h < 1 || s.stride_w < 1) {
    refuse(where + " has a shape, maps, kernel_size or stride below 1; each must be at least 1");
  }
  for (Index size :
       {s.channels, s.height, s.width, s.maps, s.kernel_h, s.kernel_w, s.stride_h, s.stride_w}) {
    if (size < largest) continue;
    refuse(where + " has a shape, maps, kernel_size or stride of " + std::to_string(size) +
           "; each must be below 2^31");
  }
  if (size_product_or_less({s.channels, s.height, s.width}) != n_in) {
    refuse(where + " looks at inputs of shape (" + std::to_string(s.channels) + ", " +
           std::to_string(s.height) + ", " + std::to_string(s.width) + "); below it are " +
           std::to_string(n_in));
  }
  const LocalShape k = geometry(s);
  if (k.out_h < 1 || k.out_w < 1) {
    refuse(where + ".kernel_size was (" + std::to_string(s.kernel_h) + ", " +
           std::to_string(s.kernel_w) + "); the image is (" + std::to_string(s.height) + ", " +
           std::to_string(s.width) + "), so with padding 'valid' it must not be larger");
  }
  return k;
}

}  // namespace fastfa
