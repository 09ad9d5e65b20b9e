// A TensorRT plugin in C++: ScaledSoftsign, y = scale * x / (1 + |x|), element by element, in fp32.
//
// It registers itself when it is loaded, as Triton needs it. With -DBY_CREATORS it leaves that to
// `getCreators`, which IPluginRegistry::loadLibrary calls and Triton does not; with -DSILENT to
// nobody, so that loading it gives no creator.

#include <NvInfer.h>
#include <cuda_runtime.h>

#include <cstring>

// Named: an unnamed one is ambiguous to nvcc beside that of nvinfer1.
namespace acme
{
using namespace nvinfer1;

constexpr char const* kName = "ScaledSoftsign";
constexpr char const* kVersion = "1";

__global__ void scaledSoftsign(float const* x, float* y, float scale, int64_t count)
{
    int64_t const i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < count)
    {
        y[i] = scale * x[i] / (1.0F + fabsf(x[i]));
    }
}

class ScaledSoftsign final : public IPluginV3,
                             public IPluginV3OneCore,
                             public IPluginV3OneBuild,
                             public IPluginV3OneRuntime
{
public:
    explicit ScaledSoftsign(float scale)
        : mScale(scale)
        , mField("scale", &mScale, PluginFieldType::kFLOAT32, 1)
        , mFields{1, &mField}
    {
    }

    IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept override
    {
        switch (type)
        {
        case PluginCapabilityType::kBUILD: return static_cast<IPluginV3OneBuild*>(this);
        case PluginCapabilityType::kRUNTIME: return static_cast<IPluginV3OneRuntime*>(this);
        default: return static_cast<IPluginV3OneCore*>(this);
        }
    }

    IPluginV3* clone() noexcept override
    {
        return new ScaledSoftsign(mScale);
    }

    char const* getPluginName() const noexcept override
    {
        return kName;
    }

    char const* getPluginVersion() const noexcept override
    {
        return kVersion;
    }

    char const* getPluginNamespace() const noexcept override
    {
        return "";
    }

    int32_t getNbOutputs() const noexcept override
    {
        return 1;
    }

    int32_t configurePlugin(
        DynamicPluginTensorDesc const*, int32_t, DynamicPluginTensorDesc const*, int32_t) noexcept override
    {
        return 0;
    }

    bool supportsFormatCombination(
        int32_t position, DynamicPluginTensorDesc const* tensors, int32_t, int32_t) noexcept override
    {
        auto const& tensor = tensors[position].desc;
        return tensor.type == DataType::kFLOAT && tensor.format == PluginFormat::kLINEAR;
    }

    int32_t getOutputDataTypes(DataType* outputs, int32_t, DataType const* inputs, int32_t) const noexcept override
    {
        outputs[0] = inputs[0];
        return 0;
    }

    int32_t getOutputShapes(DimsExprs const* inputs, int32_t, DimsExprs const*, int32_t, DimsExprs* outputs, int32_t,
        IExprBuilder&) noexcept override
    {
        outputs[0] = inputs[0];
        return 0;
    }

    int32_t onShapeChange(PluginTensorDesc const*, int32_t, PluginTensorDesc const*, int32_t) noexcept override
    {
        return 0;
    }

    int32_t enqueue(PluginTensorDesc const* inputs, PluginTensorDesc const*, void const* const* in, void* const* out,
        void*, cudaStream_t stream) noexcept override
    {
        int64_t count = 1;
        for (int32_t i = 0; i < inputs[0].dims.nbDims; ++i)
        {
            count *= inputs[0].dims.d[i];
        }
        auto const blocks = static_cast<uint32_t>((count + 255) / 256);
        scaledSoftsign<<<blocks, 256, 0, stream>>>(
            static_cast<float const*>(in[0]), static_cast<float*>(out[0]), mScale, count);
        return cudaGetLastError() == cudaSuccess ? 0 : 1;
    }

    IPluginV3* attachToContext(IPluginResourceContext*) noexcept override
    {
        return clone();
    }

    PluginFieldCollection const* getFieldsToSerialize() noexcept override
    {
        return &mFields;
    }

private:
    float mScale;
    PluginField mField;
    PluginFieldCollection mFields;
};

class Creator final : public IPluginCreatorV3One
{
public:
    char const* getPluginName() const noexcept override
    {
        return kName;
    }

    char const* getPluginVersion() const noexcept override
    {
        return kVersion;
    }

    char const* getPluginNamespace() const noexcept override
    {
        return "";
    }

    PluginFieldCollection const* getFieldNames() noexcept override
    {
        return &mFields;
    }

    IPluginV3* createPlugin(char const*, PluginFieldCollection const* fields, TensorRTPhase) noexcept override
    {
        float scale = 1.0F;
        for (int32_t i = 0; i < fields->nbFields; ++i)
        {
            if (std::strcmp(fields->fields[i].name, "scale") == 0)
            {
                scale = *static_cast<float const*>(fields->fields[i].data);
            }
        }
        return new ScaledSoftsign(scale);
    }

private:
    PluginField mField{"scale", nullptr, PluginFieldType::kFLOAT32, 1};
    PluginFieldCollection mFields{1, &mField};
};

#if defined(BY_CREATORS)
Creator creator;
IPluginCreatorInterface* const creators[] = {&creator};
#elif !defined(SILENT)
REGISTER_TENSORRT_PLUGIN(Creator);
#endif
} // namespace acme

#if defined(BY_CREATORS)
extern "C" void setLoggerFinder(nvinfer1::ILoggerFinder*) {}

extern "C" nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count)
{
    count = 1;
    return acme::creators;
}
#endif
