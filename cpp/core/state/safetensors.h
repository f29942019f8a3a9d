// The safetensors format: 8 bytes with the length of the header (little-endian), the header, a JSON
// object {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, …}, then the data,
// little-endian and row-major, without gaps. "__metadata__" holds strings.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fastfa {

struct TensorEntry {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes after the header
};

using TensorHeader = std::map<std::string, TensorEntry>;

// Reads a header strictly: throws FormatError at anything that the format doesn't have, at names that
// are there twice, and at data that overlaps, leaves gaps or doesn't fill `data_bytes`. `where` begins
// the messages.
TensorHeader parse_tensor_header(const std::string& json, std::uint64_t data_bytes,
                                 const std::string& where);

// A name or type out of a file, for a message: what isn't printable ASCII as '?', and not without end.
std::string shown(const std::string& text);

}  // namespace fastfa
