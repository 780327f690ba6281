#include "tensor/options.h"

#include <math.h>

double tl_option(double value, double standard)
{
    return value == 0 && !signbit(value) ? standard : value;
}
