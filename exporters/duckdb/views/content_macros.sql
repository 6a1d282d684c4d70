create macro _in_place(field) as coalesce(json_extract(field, '$.value'), field);

create macro _whole(field, content) as coalesce(
    json_extract(field, '$.value'),
    content::json,
    case
        when json_array_length(field, '$.refs') = 0 and not json_exists(field, '$.lists') then '[]'::json
        when field is not null then '{"flightlog.lost":"content not found"}'::json
    end
);
