/* A Triton backend that loads with any configuration and answers nothing: with it the real
 * server judges instance groups, warm-up and ensembles in under a millisecond a model, without
 * starting a Python process for each. The symbols are those of Triton's backend interface. */
#include <stddef.h>

typedef struct Error Error;
extern Error* TRITONBACKEND_ResponseNew(void** response, void* request);
extern Error* TRITONBACKEND_ResponseSend(void* response, unsigned flags, Error* error);
extern Error* TRITONBACKEND_RequestRelease(void* request, unsigned flags);

Error*
TRITONBACKEND_ModelInstanceExecute(void* instance, void** requests, unsigned count)
{
  for (unsigned i = 0; i < count; ++i) {
    void* response = NULL;
    TRITONBACKEND_ResponseNew(&response, requests[i]);
    TRITONBACKEND_ResponseSend(response, 1, NULL); /* 1: the final response */
    TRITONBACKEND_RequestRelease(requests[i], 1);  /* 1: release all of it */
  }
  return NULL;
}
