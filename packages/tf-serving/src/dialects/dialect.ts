/**
 * The servers that answer `Predict`: stock TensorFlow Serving, and the two generations of FPGA containers, which
 * take raw tensor names (`azure-fpga`, 2019) or aliases (`azure-fpga-preview`, 2018) and hold a single model.
 */
export const dialects = ["tensorflow-serving", "azure-fpga", "azure-fpga-preview"] as const;
