"""The curated analytic default: functions that compute from their arguments and nothing else."""

from __future__ import annotations

from typing import Final

_AGGREGATE: Final = """
any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null
arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg avg bit_and bit_or bit_xor bitstring_agg bool_and bool_or corr
count count_if count_star countif covar_pop covar_samp decimal_average entropy favg first fsum geomean
geometric_mean group_concat grouping grouping_id histogram histogram_exact json_group_array
json_group_object json_group_structure kahan_sum kurtosis kurtosis_pop last list listagg mad max max_by mean median min
min_by mode percentile_cont percentile_disc product quantile quantile_cont quantile_disc regr_avgx
regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
reservoir_quantile sem skewness stddev stddev_pop stddev_samp string_agg sum sum_no_overflow
sumkahan var_pop var_samp variance wavg weighted_avg
"""
_WINDOW: Final = """
cume_dist dense_rank fill first_value lag last_value lead nth_value ntile percent_rank rank
rank_dense row_number
"""
_NUMBER: Final = """
abs acos acosh add asin asinh atan atan2 atanh bit_count cbrt ceil ceiling cos cosh cot
decimal_division degrees
divide equi_width_bins even exp factorial fdiv floor fmod gamma gcd greatest
greatest_common_divisor isfinite isinf isnan lcm least least_common_multiple lgamma ln log log10
log2 mod multiply nextafter pi pow power radians random round round_even roundbankers
sign signbit sin sinh sqrt subtract tan tanh trunc xor binom
"""
_TEXT: Final = """
array_extract ascii bar base64 bit_position bitstring get_bit set_bit bin bit_length char_length character_length chr concat concat_ws
contains damerau_levenshtein editdist3 ends_with format formatreadabledecimalsize
formatreadablesize format_bytes from_base64 from_hex hamming hash hex instr jaccard
jaro_similarity jaro_winkler_similarity lcase left left_grapheme len length length_grapheme
levenshtein like_escape lower lpad ltrim md5 mismatches nfc_normalize not_ilike_escape
ilike_escape not_like_escape octet_length ord overlay parse_dirname parse_dirpath parse_filename parse_path position prefix printf
regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace
regexp_split_to_array repeat replace reverse right right_grapheme rpad rtrim sha1 sha256 split
split_part starts_with str_split str_split_regex string_split string_split_regex string_to_array
strip_accents strlen strpos substr substring substring_grapheme suffix to_base to_base64 to_binary
to_hex translate trim ucase unbin unhex unicode upper url_decode url_encode pg_size_pretty
from_binary encode decode md5_number md5_number_lower md5_number_upper parse_formatted_bytes path_join
"""
_TIME: Final = """
age ago century current_date current_localtime current_localtimestamp current_time
current_timestamp date date_add date_diff date_part date_sub date_trunc datediff datepart datesub
datetrunc day dayname dayofmonth dayofweek dayofyear days_in_month decade epoch epoch_ms epoch_ns
epoch_us era extract generate_series get_current_time get_current_timestamp hour isodow isoyear
julian last_day localtime localtimestamp make_date make_time make_timestamp make_timestamp_ms
make_timestamp_ns make_timestamptz microsecond millennium millisecond minute month monthname
nanosecond normalized_interval now quarter range second strftime strptime time time_bucket
timestamp timezone timezone_hour timezone_minute to_centuries to_days to_decades to_hours
to_microseconds to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds
to_timestamp to_weeks to_years today transaction_timestamp try_strptime week weekday weekofyear
year yearweek
"""
_NESTED: Final = """
aggregate apply array array_aggr array_aggregate array_append array_apply array_cat array_concat
array_contains array_cosine_distance array_cosine_similarity array_cross_product array_distance
array_distinct array_dot_product array_filter array_grade_up array_has array_has_all array_has_any
array_indexof array_inner_product array_intersect array_length array_negative_dot_product
array_negative_inner_product array_pop_back array_pop_front array_position array_prepend
array_push_back array_push_front array_reduce array_resize array_reverse array_reverse_sort
array_select array_slice array_sort array_to_json array_to_string array_transform array_unique
array_value array_where array_zip cardinality element_at filter flatten from_json from_json_strict
generate_subscripts grade_up json json_array json_array_length json_contains json_deep_merge
json_exists json_extract json_extract_path json_extract_path_text json_extract_string json_insert
json_keys json_merge_patch json_merge_patch_diff json_normalize json_object json_pretty json_quote json_remove
json_replace json_set json_strip_nulls json_structure json_transform json_transform_strict
json_type json_valid json_value list_aggr list_aggregate list_any_value list_append list_apply
list_approx_count_distinct list_avg list_bit_and list_bit_or list_bit_xor list_bool_and
list_bool_or list_cat list_concat list_contains list_cosine_distance list_cosine_similarity
list_count list_distance list_distinct list_dot_product list_element list_entropy list_extract
list_filter list_first list_grade_up list_has list_has_all list_has_any list_histogram list_indexof
list_inner_product list_intersect list_kurtosis list_kurtosis_pop list_last list_mad list_max
list_median list_min list_mode list_negative_dot_product list_negative_inner_product list_pack
list_position list_prepend list_product list_reduce list_resize list_reverse list_reverse_sort
list_select list_sem list_skewness list_slice list_sort list_stddev_pop list_stddev_samp
list_string_agg list_sum list_transform list_unique list_value list_var_pop list_var_samp
list_where list_zip map map_concat map_contains map_contains_entry map_contains_value map_entries
map_extract map_extract_value map_from_entries map_keys map_values reduce remap_struct row
row_to_json struct_concat struct_contains struct_extract struct_extract_at struct_has
struct_indexof struct_insert struct_keys struct_pack struct_position struct_update struct_values
to_json union_extract union_tag union_value unnest unpivot_list array_to_string_comma_default
"""
_OTHER: Final = """
all can_cast_implicitly cast_to_type coalesce constant_or_null enum_code enum_first enum_last
enum_range enum_range_boundary gen_random_uuid if ifnull is_histogram_other_bin nullif nvl pg_typeof
switch typeof uuid uuidv4 uuidv7
"""

ANALYTIC: Final = frozenset(
    name
    for group in (_AGGREGATE, _WINDOW, _NUMBER, _TEXT, _TIME, _NESTED, _OTHER)
    for name in group.split()
)

BY_NAME: Final = frozenset(
    {"aggregate", "array_aggr", "array_aggregate", "list_aggr", "list_aggregate"}
)
"""Functions whose second argument is the name of an aggregate to call."""

NEUTRAL: Final = (
    frozenset(_NUMBER.split())
    | frozenset(_TIME.split())
    | frozenset(
        [
            "array_contains",
            "array_extract",
            "array_has",
            "array_length",
            "ascii",
            "char_length",
            "character_length",
            "coalesce",
            "contains",
            "count",
            "dense_rank",
            "ends_with",
            "hash",
            "if",
            "ifnull",
            "instr",
            "isodow",
            "lag",
            "last_day",
            "lcase",
            "lead",
            "left",
            "len",
            "length",
            "list_contains",
            "list_element",
            "list_extract",
            "list_has",
            "list_position",
            "lower",
            "ltrim",
            "max",
            "md5",
            "min",
            "nullif",
            "nvl",
            "ord",
            "position",
            "prefix",
            "rank",
            "regexp_matches",
            "right",
            "row_number",
            "rtrim",
            "starts_with",
            "strlen",
            "strpos",
            "substr",
            "substring",
            "suffix",
            "sum",
            "trim",
            "ucase",
            "unicode",
            "upper",
        ]
    )
) - {"generate_series", "range", "strftime", "equi_width_bins"}
"""Functions that give no value larger than their arguments."""

TABLE_FUNCTIONS: Final = frozenset(
    {"generate_series", "json_each", "json_tree", "range", "unnest", "regexp_split_to_table"}
)

_BY_DIALECT: Final = {
    "postgres": """
        array_lower array_ndims array_remove array_replace array_upper btrim date_bin div every
        initcap isfinite json_agg json_build_object json_object_agg jsonb_agg jsonb_array_length
        jsonb_build_object jsonb_object_agg justify_days justify_hours justify_interval
        make_interval num_nonnulls num_nulls regexp_count regexp_instr regexp_match regexp_substr
        scale to_char to_date to_number trim_scale width_bucket
        """,
    "snowflake": """
        add_months array_to_string booland boolor conditional_change_event conditional_true_event
        div0null equal_null get get_path initcap months_between nvl2 object_keys ratio_to_report
        soundex strtok time_slice to_boolean to_char to_date to_decimal to_double to_number
        to_numeric to_time to_varchar try_parse_json try_to_date try_to_decimal try_to_double
        try_to_number width_bucket
        """,
    "trino": """
        all_match any_match array_except array_remove array_union arrays_overlap bitwise_and
        bitwise_and_agg bitwise_or bitwise_or_agg bitwise_xor checksum codepoint day_of_month
        day_of_year e format_datetime from_iso8601_date from_iso8601_timestamp hamming_distance
        infinity is_finite is_infinite json_array_contains json_array_get json_format json_parse
        json_size levenshtein_distance map_agg map_filter multimap_agg nan none_match normalize
        numeric_histogram parse_datetime split_to_map to_iso8601 transform_keys transform_values
        width_bucket year_of_week zip zip_with
        """,
}
BY_DIALECT: Final[dict[str, frozenset[str]]] = {
    dialect: frozenset(names.split()) for dialect, names in _BY_DIALECT.items()
}
"""What only these dialects have, or spell so."""

# Node types whose own names are not the ones that the dialect calls them by.
SPELLINGS: Final[dict[str, tuple[str, ...]]] = {
    "Array": ("list_value", "array"),
    "AnyValue": ("any_value",),
    "ArrayAgg": ("list", "array_agg"),
    "ArrayAppend": ("list_append", "array_append", "array_push_back"),
    "ArrayConcat": ("list_concat", "array_cat", "array_concat"),
    "ArrayContains": ("list_contains", "array_contains", "array_has", "list_has"),
    "ArrayContainsAll": ("list_has_all", "array_has_all"),
    "ArrayDistinct": ("list_distinct", "array_distinct"),
    "ArrayFilter": ("list_filter", "array_filter", "filter"),
    "ArrayMax": ("list_max",),
    "ArrayMin": ("list_min",),
    "ArrayOverlaps": ("list_has_any",),
    "ArrayPrepend": ("list_prepend", "array_prepend"),
    "ArrayReverse": ("list_reverse", "array_reverse"),
    "ArraySize": ("array_length",),
    "ArraySlice": ("list_slice", "array_slice"),
    "ArraySort": ("list_sort", "array_sort", "list_reverse_sort", "array_reverse_sort"),
    "BitwiseAndAgg": ("bit_and",),
    "BitwiseOrAgg": ("bit_or",),
    "BitwiseXor": ("xor",),
    "BitwiseXorAgg": ("bit_xor",),
    "CosineDistance": ("list_cosine_distance",),
    "CurrentDate": ("current_date", "today"),
    "CurrentTime": ("current_time", "get_current_time"),
    "DateBin": ("time_bucket",),
    "DateFromParts": ("make_date",),
    "DayOfWeekIso": ("isodow",),
    "DecodeCase": ("decode",),
    "EuclideanDistance": ("list_distance",),
    "Explode": ("unnest",),
    "Unnest": ("unnest",),
    "ExplodingGenerateSeries": ("generate_series",),
    "GenerateSeries": ("generate_series", "range"),
    "Getbit": ("get_bit",),
    "GroupConcat": ("string_agg", "group_concat", "listagg"),
    "Hex": ("hex", "to_hex"),
    "JSONArray": ("json_array",),
    "JSONExtract": ("json_extract", "json_extract_path"),
    "JSONExtractScalar": ("json_extract_string", "json_extract_path_text"),
    "JSONObject": ("json_object",),
    "JarowinklerSimilarity": ("jaro_winkler_similarity",),
    "Levenshtein": ("levenshtein", "editdist3"),
    "Length": ("length", "len", "char_length", "character_length"),
    "Localtimestamp": ("current_localtimestamp", "localtimestamp"),
    "Log": ("log", "log10", "log2"),
    "LogicalAnd": ("bool_and",),
    "LogicalOr": ("bool_or",),
    "Mod": ("mod",),
    "Pad": ("lpad", "rpad"),
    "ParseJSON": ("json",),
    "PercentileCont": ("quantile_cont", "percentile_cont"),
    "PercentileDisc": ("quantile_disc", "percentile_disc"),
    "RegexpILike": ("regexp_matches",),
    "RegexpLike": ("regexp_matches",),
    "RegexpSplit": ("string_split_regex", "str_split_regex"),
    "SHA": ("sha1",),
    "SHA2": ("sha256",),
    "Split": ("string_split", "split", "str_split", "string_to_array"),
    "StrPosition": ("strpos", "instr", "position"),
    "StrToTime": ("strptime",),
    "StrToDate": ("to_date",),
    "JSONArrayAgg": ("json_agg", "jsonb_agg", "json_arrayagg"),
    "TimeFromParts": ("make_time",),
    "TimeToStr": ("strftime",),
    "TimeToUnix": ("epoch",),
    "TimestampFromParts": ("make_timestamp",),
    "TimestampTrunc": ("date_trunc", "datetrunc"),
    "Transform": ("list_transform", "array_transform"),
    "Trim": ("trim", "ltrim", "rtrim"),
    "TsOrDsToDate": ("date",),
    "Unhex": ("unhex", "from_hex"),
    "UnixToTime": ("to_timestamp", "epoch_ms", "make_timestamp"),
    "Variance": ("var_samp", "variance"),
    "VariancePop": ("var_pop",),
}
