#pragma once

#include "common/enum_names.h"
