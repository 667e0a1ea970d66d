//! Names that sound like Dongguan: towns, villages, lanes, people; each as it is spelt in ids and as it is read.

/// A name in Latin letters, for ids, and in Chinese.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) spelt: &'static str,
    pub(crate) read: &'static str,
}

const fn name(spelt: &'static str, read: &'static str) -> Name {
    Name { spelt, read }
}

pub(crate) const TOWNS: [Name; 32] = [
    name("hongmei", "洪梅镇"),
    name("humen", "虎门镇"),
    name("changan", "长安镇"),
    name("houjie", "厚街镇"),
    name("tangxia", "塘厦镇"),
    name("fenggang", "凤岗镇"),
    name("changping", "常平镇"),
    name("liaobu", "寮步镇"),
    name("dalang", "大朗镇"),
    name("hengli", "横沥镇"),
    name("dongkeng", "东坑镇"),
    name("chashan", "茶山镇"),
    name("shipai", "石排镇"),
    name("qishi", "企石镇"),
    name("qiaotou", "桥头镇"),
    name("xiegang", "谢岗镇"),
    name("huangjiang", "黄江镇"),
    name("qingxi", "清溪镇"),
    name("zhangmutou", "樟木头镇"),
    name("dalingshan", "大岭山镇"),
    name("shatian", "沙田镇"),
    name("daojiao", "道滘镇"),
    name("machong", "麻涌镇"),
    name("wangniudun", "望牛墩镇"),
    name("zhongtang", "中堂镇"),
    name("gaobu", "高埗镇"),
    name("shilong", "石龙镇"),
    name("shijie", "石碣镇"),
    name("wanjiang", "万江街道"),
    name("nancheng", "南城街道"),
    name("dongcheng", "东城街道"),
    name("guancheng", "莞城街道"),
];

pub(crate) const VILLAGE_BEGINNINGS: [Name; 10] = [
    name("hong", "洪"),
    name("shang", "上"),
    name("xin", "新"),
    name("huang", "黄"),
    name("da", "大"),
    name("nan", "南"),
    name("li", "李"),
    name("xia", "下"),
    name("bai", "白"),
    name("chen", "陈"),
];

pub(crate) const VILLAGE_ENDINGS: [Name; 9] = [
    name("wu", "屋村"),
    name("chong", "涌村"),
    name("keng", "坑村"),
    name("tang", "塘村"),
    name("bian", "边村"),
    name("ling", "岭村"),
    name("zhou", "洲村"),
    name("tou", "头村"),
    name("lang", "朗村"),
];

const SURNAMES: [&str; 12] = ["陈", "黄", "李", "梁", "叶", "王", "张", "刘", "卢", "莫", "袁", "钟"];
const DIGITS: [&str; 10] = ["", "一", "二", "三", "四", "五", "六", "七", "八", "九"];

/// Why an alarm was none, as a grid officer reports it.
pub(crate) const NUISANCE_CAUSES: [&str; 6] = ["炒菜油烟", "水蒸气", "装修粉尘", "烧香", "蚊虫进入探测器", "吸烟"];

/// Whom to call: a name, and a number that nobody has.
pub(crate) fn contact(number: u32) -> String {
    let surname = SURNAMES[number as usize % SURNAMES.len()];
    let title = if number % 5 < 3 { "先生" } else { "女士" };
    format!("{surname}{title} 000 {:04} {:04}", number / 10_000 % 10_000, number % 10_000)
}

/// A small number in Chinese, 1 to 99.
pub(crate) fn chinese_number(number: u32) -> String {
    let (tens, ones) = (number as usize / 10 % 10, number as usize % 10);
    match tens {
        0 => DIGITS[ones].to_owned(),
        1 => format!("十{}", DIGITS[ones]),
        _ => format!("{}十{}", DIGITS[tens], DIGITS[ones]),
    }
}
