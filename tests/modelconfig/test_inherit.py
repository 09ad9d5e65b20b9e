from trtbuild.modelconfig.inherit import keep_settings
from trtbuild.modelconfig.read import parse_config
from trtbuild.modelconfig.schema import Config

OLD = """
name: "old" backend: "tensorrt_rtx" max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: 3 }
output { name: "y" data_type: TYPE_FP32 dims: 5 label_filename: "labels.txt" }
instance_group { count: 3 kind: KIND_GPU }
dynamic_batching { preferred_batch_size: 8 }
cc_model_filenames { key: "8.6" value: "a.plan" }
parameters { key: "k" value { string_value: "v" } }
model_warmup { name: "w" batch_size: 8 }
version_policy { all {} }
"""
NEW = """
name: "old" backend: "tensorrt_rtx" max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: 4 }
output { name: "y" data_type: TYPE_FP32 dims: 5 }
instance_group { count: 1 kind: KIND_GPU }
dynamic_batching { preferred_batch_size: 4 }
cc_model_filenames { key: "8.9" value: "b.plan" }
"""


def kept(*asked: str, old: str = OLD, new: str = NEW) -> Config:
    return keep_settings(parse_config(old).message, parse_config(new).message, asked)


def test_settings_stay_and_what_plans_say_is_new() -> None:
    config = kept()
    assert config.instance_group[0].count == 3
    assert list(config.dynamic_batching.preferred_batch_size) == [8]
    assert config.output[0].label_filename == "labels.txt"
    assert config.parameters["k"].string_value == "v"
    assert config.model_warmup[0].name == "w"
    assert config.version_policy.HasField("all")
    assert dict(config.cc_model_filenames) == {"8.9": "b.plan"}
    assert list(config.input[0].dims) == [4]


def test_what_the_user_asks_for_now_wins() -> None:
    config = kept("instance_group", "dynamic_batching")
    assert config.instance_group[0].count == 1
    assert list(config.dynamic_batching.preferred_batch_size) == [4]


def test_batch_sizes_of_another_batch_do_not_stay() -> None:
    config = kept(new=NEW.replace("max_batch_size: 8", "max_batch_size: 4"))
    assert list(config.dynamic_batching.preferred_batch_size) == [4]
    assert not config.model_warmup
    assert config.instance_group[0].count == 3


def test_a_label_file_given_now_wins() -> None:
    config = kept(new=NEW.replace("dims: 5 }", 'dims: 5 label_filename: "new.txt" }'))
    assert config.output[0].label_filename == "new.txt"


def test_the_profiles_are_those_of_the_plans() -> None:
    old = OLD.replace("count: 3", 'count: 3 profile: ["0", "1"]')
    assert list(kept(old=old).instance_group[0].profile) == []
    new = NEW.replace("count: 1", 'count: 1 profile: ["0", "1", "2"]')
    group = kept(old=old, new=new).instance_group[0]
    assert (group.count, list(group.profile)) == (3, ["0", "1", "2"])


def test_of_optimization_all_stays_but_cuda_graphs() -> None:
    graphs = "graphs: true graph_spec { batch_size: %d }"
    old = f"{OLD} optimization {{ cuda {{ {graphs % 8} }} }}"
    assert not kept(old=old).HasField("optimization")
    cuda = f"cuda {{ {graphs % 8} busy_wait_events: true }}"
    busy = f"{OLD} optimization {{ priority: PRIORITY_MAX {cuda} }}"
    new = f"{NEW} optimization {{ cuda {{ {graphs % 4} }} }}"
    for asked in (NEW, new):
        optimization = kept(old=busy, new=asked).optimization
        assert optimization.priority
        assert optimization.cuda.busy_wait_events
        sizes = [spec.batch_size for spec in optimization.cuda.graph_spec]
        assert (optimization.cuda.graphs, sizes) == ((True, [4]) if asked == new else (False, []))


def test_a_model_that_forms_no_batches_inherits_no_batching() -> None:
    new = NEW.replace("dynamic_batching { preferred_batch_size: 4 }\n", "")
    assert not kept(new=new).HasField("dynamic_batching")
