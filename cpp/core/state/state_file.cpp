// Network::save and load: weights, biases and feedback that is stored, as safetensors, by the names of
// Python's state_dict().
#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <vector>

#include "core/network/checks.h"
#include "core/network/network_impl.h"
#include "core/state/atomic_file.h"
#include "core/state/input_file.h"
#include "core/state/safetensors.h"

namespace fastfa {
namespace {

constexpr std::uint64_t largest_header = 100'000'000;  // the format's own limit

// One array of the state, as it is shown.
template <class T>
struct Entry {
  std::string name;
  WeightView<T> view;

  std::uint64_t count() const {
    std::uint64_t n = 1;
    for (std::int64_t size : view.shape) n *= static_cast<std::uint64_t>(size);
    return n;
  }
};

// Sizes and distances of a view, padded with ones in front to six dimensions.
template <class T>
std::array<std::array<std::int64_t, 6>, 2> padded_view(const WeightView<T>& v) {
  std::array<std::array<std::int64_t, 6>, 2> out{{{1, 1, 1, 1, 1, 1}, {0, 0, 0, 0, 0, 0}}};
  const std::size_t front = 6 - v.shape.size();
  for (std::size_t i = 0; i < v.shape.size(); ++i) {
    out[0][front + i] = v.shape[i];
    out[1][front + i] = v.stride[i];
  }
  return out;
}

// Calls visit(element) in row-major order.
template <class T, class Visit>
void each(const WeightView<T>& v, Visit&& visit) {
  const auto [n, d] = padded_view(v);
  for (std::int64_t a = 0; a < n[0]; ++a)
    for (std::int64_t b = 0; b < n[1]; ++b)
      for (std::int64_t c = 0; c < n[2]; ++c)
        for (std::int64_t e = 0; e < n[3]; ++e)
          for (std::int64_t f = 0; f < n[4]; ++f) {
            T* row = v.data + a * d[0] + b * d[1] + c * d[2] + e * d[3] + f * d[4];
            for (std::int64_t g = 0; g < n[5]; ++g) visit(row[g * d[5]]);
          }
}

// `held` keeps the feedback's memory alive.
template <class T>
std::vector<Entry<T>> parts_of(const Network<T>& net, std::size_t fed, bool learns_in_time,
                               std::vector<OwnedWeights<T>>& held) {
  std::vector<Entry<T>> parts;
  for (int l = 0; l < net.layers(); ++l) {
    parts.push_back({"weights." + std::to_string(l), net.weights(l)});
    const MatrixView<T> b = net.biases(l);
    if (b.data) parts.push_back({"biases." + std::to_string(l), {b.data, {b.cols}, {1}}});
  }
  for (std::size_t l = 0; l < fed; ++l) {
    held.push_back(net.feedback_state(static_cast<int>(l)));
    if (held[l].view.data) parts.push_back({"feedback." + std::to_string(l), held[l].view});
  }
  if (!learns_in_time) return parts;
  held.push_back(net.feedback_state(net.layers() - 1));
  parts.push_back({"feedback.recurrent", held.back().view});
  return parts;
}

template <class T>
constexpr const char* dtype_name = sizeof(T) == 4 ? "F32" : "F64";

std::string shape_text(const std::vector<std::int64_t>& shape, const char* open, const char* close) {
  std::string text = open;
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + close;
}

void require_little_endian() {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
  throw std::runtime_error("[fastfa] save and load are there for little-endian machines only");
#endif
}

// Does the file have just what the network has?
template <class T>
void check_header(const TensorHeader& header, const std::vector<Entry<T>>& parts,
                  const std::string& where) {
  std::set<std::string> known;
  for (const Entry<T>& part : parts) {
    known.insert(part.name);
    const auto found = header.find(part.name);
    if (found == header.end()) throw FormatError(where + ": it lacks '" + part.name + "'");
    const TensorEntry& entry = found->second;
    if (entry.dtype != dtype_name<T>) {
      throw FormatError(where + ": '" + part.name + "' has dtype " + shown(entry.dtype) +
                        "; it must be " + dtype_name<T>);
    }
    if (entry.shape != part.view.shape) {
      throw FormatError(where + ": '" + part.name + "' has shape " + shape_text(entry.shape, "(", ")") +
                        "; it must be " + shape_text(part.view.shape, "(", ")"));
    }
    if (entry.end - entry.begin != part.count() * sizeof(T)) {
      throw FormatError(where + ": '" + part.name + "' has " + std::to_string(entry.end - entry.begin) +
                        " bytes of data; its shape takes " + std::to_string(part.count() * sizeof(T)));
    }
  }
  for (const auto& [name, entry] : header) {
    if (!known.count(name)) {
      throw FormatError(where + ": it has '" + shown(name) + "', which the network has not");
    }
  }
}

}  // namespace

FormatError::FormatError(const std::string& what) : std::runtime_error(what) {}

template <class T>
void Network<T>::save(const std::string& path) const {
  require_little_endian();
  const Session<T> session(*impl_);
  std::vector<OwnedWeights<T>> held;
  const std::vector<Entry<T>> parts = parts_of(*this, impl_->fed(), impl_->learns_in_time(), held);

  std::string header = "{\"__metadata__\": {\"fastfa\": \"" FASTFA_VERSION "\"}";
  std::uint64_t at = 0;
  for (const Entry<T>& part : parts) {
    const std::uint64_t end = at + part.count() * sizeof(T);
    header += ", \"" + part.name + "\": {\"dtype\": \"" + dtype_name<T> +
              "\", \"shape\": " + shape_text(part.view.shape, "[", "]") + ", \"data_offsets\": [" +
              std::to_string(at) + ", " + std::to_string(end) + "]}";
    at = end;
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');

  AtomicFile file(path);
  const std::uint64_t length = header.size();
  file.write(&length, sizeof length);
  file.write(header.data(), header.size());
  std::vector<T> values;
  for (const Entry<T>& part : parts) {
    values.clear();
    values.reserve(part.count());
    each(part.view, [&](const T& value) { values.push_back(value); });
    file.write(values.data(), values.size() * sizeof(T));
  }
  file.publish();
}

template <class T>
void Network<T>::load(const std::string& path) {
  require_little_endian();
  InputFile file(path);  // before the network is held: it may be on a disk that doesn't answer
  std::uint64_t length = 0;
  if (file.size() < sizeof length) throw FormatError(file.where() + ": it ends too early");
  file.read(&length, sizeof length);
  const std::uint64_t rest = file.size() - sizeof length;
  if (length > rest || length > largest_header) {
    throw FormatError(file.where() + ": its header has a length of " + std::to_string(length) +
                      " bytes; " + std::to_string(std::min(rest, largest_header)) + " are possible");
  }
  std::string json(length, '\0');
  file.read(json.data(), length);
  const TensorHeader header = parse_tensor_header(json, rest - length, file.where());

  const Session<T> session(*impl_);
  std::vector<OwnedWeights<T>> held;
  const std::vector<Entry<T>> parts = parts_of(*this, impl_->fed(), impl_->learns_in_time(), held);
  check_header(header, parts, file.where());

  // All of it is read and looked at before any of it is written.
  std::vector<std::vector<T>> values;
  for (const Entry<T>& part : parts) {
    const TensorEntry& entry = header.at(part.name);
    values.emplace_back(part.count());
    file.seek(sizeof length + length + entry.begin);
    file.read(values.back().data(), entry.end - entry.begin);
    for (T value : values.back()) {
      if (!std::isfinite(value)) {
        throw FormatError(file.where() + ": '" + part.name +
                          "' has a value that is not finite; every value must be");
      }
    }
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const T* next = values[i].data();
    each(parts[i].view, [&](T& value) { value = *next++; });
  }
  impl_->reset_memory();
}

#define FASTFA_INSTANTIATE(T)                               \
  template void Network<T>::save(const std::string&) const; \
  template void Network<T>::load(const std::string&)
FASTFA_INSTANTIATE(float);
FASTFA_INSTANTIATE(double);

}  // namespace fastfa
