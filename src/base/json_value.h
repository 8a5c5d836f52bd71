// SPDX-License-Identifier: Apache-2.0
// The name of a JSON value, for headers that hand one on: simdjson.h costs each file that reads it two
// seconds of a compiler's time.
#pragma once

namespace simdjson::dom {
class element;
}

namespace rotor {

using JsonValue = simdjson::dom::element;  // a view into a JsonDocument (base/json.h)

}  // namespace rotor
