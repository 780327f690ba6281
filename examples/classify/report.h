/* How good probabilities are. */
#ifndef CLASSIFY_REPORT_H
#define CLASSIFY_REPORT_H

#include <tapeloop.h>

/* The share of samples whose probability is on their label's side of one half. */
double accuracy_of(tl_tensor probabilities, tl_tensor labels);

/* The area under the ROC curve: the probability that a sample of label 1 has a greater probability than one
 * of label 0, ties counting half. Both labels must be there. NaN with the error set if a probability is not a
 * number, or memory is short. */
double area_under_roc(tl_tensor probabilities, tl_tensor labels);

#endif
