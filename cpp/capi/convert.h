// C's descriptions of networks as those of types.h. Each throws std::invalid_argument.
#pragma once

#include <vector>

#include "fastfa/fastfa.h"
#include "fastfa/types.h"

namespace fastfa {

NetworkSpec network_spec(const fastfa_config* config);
std::string matmul_precision(const fastfa_config* config);
// One for each hidden layer; one alone is for all of them.
std::vector<FeedbackSpec> feedback_specs(const fastfa_feedback* feedback, std::int64_t n,
                                         std::int64_t hidden);
Optimizer optimizer_of(const fastfa_optimizer* optimizer);
// `order` is null if the caller gave none.
SequencePlan sequence_plan(const fastfa_sequences* given);

}  // namespace fastfa
