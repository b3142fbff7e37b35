/** Longest response that a client accepts, in bytes: twice the longest reply that a gateway accepts from a replica by default. */
export const maxReplyBytes = 134_217_728;
